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
      if (action.arguments.length > 0) {
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
    const fields = action.arguments.map(field);
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
      const given = Object.fromEntries(new FormData(this.#ask));
      await this.#busy(yes, () => this.tell(action.name, given));
    };
    this.#ask.hidden = false;
    this.#ask.querySelector("input, select").focus();
  }
}

function field(argument) {
  const label = document.createElement("label");
  label.textContent = argument.name;
  let control;
  if (argument.choices?.length > 0) {
    control = document.createElement("select");
    control.append(...argument.choices.map((choice) => new Option(choice)));
  } else {
    control = document.createElement("input");
    control.autocomplete = "off";
    control.spellcheck = false;
    control.placeholder = argument.example ?? "";
    control.required = true;
  }
  control.name = argument.name;
  label.append(control);
  return label;
}
