// What the machine can be told: a button for each, and a line of questions for those that need more.

export class Actions {
  #bar;
  #ask;
  #said;
  #buttons = [];

  constructor(bar, ask, said) {
    this.#bar = bar;
    this.#ask = ask;
    this.#said = said;
  }

  show(actions) {
    this.#buttons = actions.map((action) => this.#button(action));
    this.#bar.replaceChildren(...this.#buttons);
  }

  set enabled(enabled) {
    for (const button of this.#buttons) {
      button.disabled = !enabled;
    }
    if (!enabled) {
      this.#ask.hidden = true;
    }
  }

  // Tell the server; what it answers is shown.
  async tell(name, given = {}) {
    let said;
    let ok = false;
    try {
      const answer = await fetch("/do", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name, arguments: given }),
      });
      ok = answer.ok;
      said = (await answer.json()).said;
    } catch {
      said = "The console does not answer.";
    }
    this.#said.textContent = said;
    this.#said.classList.toggle("bad", !ok);
    this.#said.hidden = said === "";
  }

  #button(action) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.action = action.name;
    button.textContent = action.label;
    button.addEventListener("click", async () => {
      if (action.arguments.length > 0 || action.choices.length > 0) {
        this.#question(action);
        return;
      }
      this.#ask.hidden = true;
      await this.#busy(button, () => this.tell(action.name));
    });
    return button;
  }

  async #busy(button, work) {
    button.ariaBusy = "true";
    try {
      await work();
    } finally {
      button.ariaBusy = null;
    }
  }

  #question(action) {
    const choices = action.choices.length > 0 ? [choice_of(action.choices)] : [];
    const fields = [...choices, ...action.arguments.map(field)];
    const yes = document.createElement("button");
    yes.type = "submit";
    yes.className = "yes";
    yes.textContent = action.label;
    const no = document.createElement("button");
    no.type = "button";
    no.textContent = "Never mind";
    no.addEventListener("click", () => {
      this.#ask.hidden = true;
    });
    this.#ask.replaceChildren(...fields, yes, no);
    this.#ask.onsubmit = async (event) => {
      event.preventDefault();
      const { choice, ...typed } = Object.fromEntries(new FormData(this.#ask));
      const given = choice === undefined ? typed : action.choices[choice].arguments;
      await this.#busy(yes, () => this.tell(action.name, given));
    };
    this.#ask.hidden = false;
    this.#ask.querySelector("input, select").focus();
  }
}

function field(argument) {
  const control = document.createElement("input");
  control.autocomplete = "off";
  control.spellcheck = false;
  control.placeholder = argument.example;
  control.required = true;
  return labelled(argument.name, argument.name, control);
}

// What else the machine could be: each choice stands for all arguments.
function choice_of(choices) {
  const control = document.createElement("select");
  control.append(...choices.map((choice, index) => new Option(choice.label, String(index))));
  return labelled("choice", "what, and for what", control);
}

function labelled(name, text, control) {
  const label = document.createElement("label");
  label.textContent = text;
  control.name = name;
  label.append(control);
  return label;
}
