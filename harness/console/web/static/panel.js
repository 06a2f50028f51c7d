// The instruments: what is known of the machine. All text of it goes in as text.

const MAX_LINES = 40;

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
    const name = view.image.split("/").at(-1);
    const draw = (id, value, parts) => this.#put(id, value, (place) => place.replaceChildren(...parts(value)));
    this.#put("name", view.image, (place) => {
      place.textContent = name;
      place.title = view.image;
      document.title = `${name} \u00b7 harness console`;
    });
    this.#at("state").textContent = view.state;
    this.#at("state").dataset.state = view.state;
    this.#at("clock").textContent = seconds(view.now_s);
    draw("verdict", [view.outcome, view.cause, view.sentence, view.verdict_at_s], verdict);
    draw("boots", view.boots, boots);
    draw("ladder", [view.ladder, view.stage], ladder);
    draw("traffic", view.traffic, traffic);
    draw("frames", view.traffic.last_frames, moments);
    draw("findings", view.findings, findings);
    draw("rules", view.rules, rules);
    this.#put("screen-text", view.screen.lines, (place) => {
      place.textContent = view.screen.lines.join("\n") || "Nothing on the screen can be read.";
    });
    draw("log", view.log.slice(-MAX_LINES), moments);
    this.#at("boots").parentElement.hidden = view.boots.length < 2;
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

function verdict([outcome, cause, sentence, at_s]) {
  const parts = [made("b", outcome ?? "open", outcome ?? "open")];
  if (cause) {
    parts.push(made("code", "", cause));
  }
  parts.push(made("span", "why", sentence), made("span", "at", seconds(at_s)));
  return parts;
}

function boots(rows) {
  return rows.map((row, index) => {
    const line = document.createElement("li");
    line.append(made("span", "", row.title || "as it is"));
    line.append(made("span", row.outcome ?? "open", row.outcome ?? (index + 1 < rows.length ? "left" : "at work")));
    return line;
  });
}

function ladder([rungs, now]) {
  return rungs.map((rung) => {
    const row = made("li", rung.at_s === null ? "" : "reached");
    row.classList.toggle("now", rung.stage === now);
    row.append(made("span", "", rung.stage), made("span", "at", seconds(rung.at_s)));
    return row;
  });
}

function traffic(counted) {
  const rows = [
    ["disk read", size(counted.read_bytes)],
    ["written", size(counted.written_bytes)],
    ["disc read", size(counted.disc_read_bytes)],
    ["frames", String(counted.frames)],
  ];
  return rows.map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(made("dt", "", name), made("dd", "num", value));
    return pair;
  });
}

function moments(rows) {
  return rows.toReversed().map((row) => {
    const line = document.createElement("li");
    line.append(made("span", "at", seconds(row.at_s)), made("span", "", row.text));
    return line;
  });
}

function findings(rows) {
  return some(rows, (row) => {
    const line = made("li", `is-${row.severity}`, row.statement);
    line.append(made("code", "", row.id));
    return line;
  });
}

function rules(rows) {
  return some(rows.toReversed(), (row) => {
    const line = document.createElement("li");
    line.append(made("span", "at", seconds(row.at_s)), made("span", "proves", row.proves));
    line.append(made("span", "text", row.line ? `${row.channel}: ${row.line}` : row.channel));
    return line;
  });
}

function some(rows, draw) {
  return rows.length === 0 ? [made("li", "none", "None so far.")] : rows.map(draw);
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${(bytes / 1024 ** unit).toFixed(unit < 2 || bytes >= 100 * 1024 ** unit ? 0 : 1)} ${units[unit]}`;
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
