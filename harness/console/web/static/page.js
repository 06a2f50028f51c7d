// The page: takes what the server knows, and puts it where it belongs.
import { Actions } from "./actions.js";
import { Link } from "./link.js";
import { Panel } from "./panel.js";
import { Screen } from "./screen.js";
import { Serial } from "./serial.js";

const at = (id) => document.getElementById(id);

const serial = new Serial(at("serial"), (text) => {
  at("serial-state").textContent = text;
});
const screen = new Screen(at("screen"), (text) => {
  at("screen-state").textContent = text;
});
const actions = new Actions(at("actions"), at("ask"), at("said"));
const panel = new Panel(at);
let you = "";

at("take-over").addEventListener("click", () => actions.tell("take-over"));
at("invite").addEventListener("click", () => actions.tell("invite"));

new Link("/ws/events", {
  opened: () => {},
  took: (text) => take(JSON.parse(text)),
  ended: () => panel.lost(),
});

function take(message) {
  if (message.kind === "about") {
    you = message.you;
    actions.show(message.actions);
    return;
  }
  const mine = message.typist === you;
  serial.typing = mine;
  screen.typing = mine;
  screen.wanted = message.has_screen;
  actions.enabled = mine;
  at("take-over").hidden = mine;
  at("invite").hidden = !mine;
  at("who").textContent = who(message, mine);
  at("who").classList.toggle("mine", mine);
  at("screen").hidden = !message.has_screen;
  at("screen-text").hidden = message.has_screen;
  panel.show(message.view);
}

function who(message, mine) {
  const others = message.viewers.filter((name) => name !== you).length;
  const watched = others === 0 ? "" : `, ${others} ${others === 1 ? "other looks on" : "others look on"}`;
  if (mine) {
    return `You type${watched}`;
  }
  const there = message.viewers.includes(message.typist) ? "types" : "typed, and left";
  return `${message.typist} ${there}`;
}
