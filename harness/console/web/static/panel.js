// The instruments: what is known of the machine. All text of it goes in as text.

const MAX_FRAMES = 12;

export class Panel {
  #at;
  #shown = {};

  // at(id) is the element of that id.
  constructor(at) {
    this.#at = at;
  }

  lost() {
    this.#at("state").textContent = "not connected";
    this.#at("state").dataset.state = "lost";
  }

  show(view) {
    this.#put("name", view.name, (place) => {
      place.textContent = view.name;
      place.title = view.name;
      document.title = `${view.name} · harness console`;
    });
    this.#at("state").textContent = view.state;
    this.#at("state").dataset.state = view.state;
    this.#at("clock").textContent = seconds(view.t_s);
    this.#put("verdict", view.verdict, (place) => place.replaceChildren(...verdict(view.verdict)));
    this.#put("ladder", [view.ladder, view.stage], (place) => place.replaceChildren(...ladder(view)));
    this.#put("traffic", view.traffic, (place) => place.replaceChildren(...traffic(view.traffic)));
    this.#put("frames", view.frames, (place) => place.replaceChildren(...frames(view.frames)));
    this.#put("findings", view.findings, (place) => place.replaceChildren(...findings(view.findings)));
    this.#put("rules", view.rules, (place) => place.replaceChildren(...rules(view.rules)));
  }

  // Draws only what has changed: a selection, a scroll and a screen reader's place stay.
  #put(id, value, draw) {
    const text = JSON.stringify(value);
    if (this.#shown[id] !== text) {
      this.#shown[id] = text;
      draw(this.#at(id));
    }
  }
}

function verdict(found) {
  if (!found) {
    return [made("b", "open", "Open"), made("span", "why", "Nothing is decided yet.")];
  }
  const parts = [made("b", found.outcome, found.outcome)];
  if (found.cause) {
    parts.push(made("code", "", found.cause));
  }
  parts.push(made("span", "why", found.statement), made("span", "at", seconds(found.at_s)));
  return parts;
}

function ladder(view) {
  return view.ladder.map((rung) => {
    const row = made("li", rung.t_s === null ? "" : "reached");
    row.classList.toggle("now", rung.stage === view.stage);
    row.append(made("span", "", rung.stage), made("span", "at", rung.t_s === null ? "" : seconds(rung.t_s)));
    return row;
  });
}

function traffic(counters) {
  return Object.entries(counters).map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(made("dt", "", name), made("dd", "num", value));
    return pair;
  });
}

function frames(rows) {
  return rows.slice(-MAX_FRAMES).map((row) => {
    const line = document.createElement("li");
    line.append(made("span", "at", seconds(row.t_s)), made("span", "", row.text));
    return line;
  });
}

function findings(rows) {
  return rows.length === 0 ? [made("li", "none", "None so far.")] : rows.map((row) => {
    const line = made("li", `is-${row.severity}`, row.statement);
    line.append(made("code", "", row.id));
    return line;
  });
}

function rules(rows) {
  return rows.length === 0 ? [made("li", "none", "None so far.")] : rows.map((row) => {
    const line = document.createElement("li");
    line.append(made("span", "at", seconds(row.t_s)), made("code", "", row.id));
    line.append(made("span", "text", `${row.channel}: ${row.text}`));
    return line;
  });
}

function seconds(t_s) {
  return t_s === null || t_s === undefined ? "" : `${t_s.toFixed(1)} s`;
}

function made(name, class_name, text = "") {
  const element = document.createElement(name);
  element.className = class_name;
  element.textContent = text;
  return element;
}
