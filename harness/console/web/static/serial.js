// The serial line as a terminal. Its bytes are a stranger's: they may draw in the terminal, and
// nothing else. In particular they make it type nothing: what it is asked, it does not answer.
import "./styles.js";
import { FitAddon, Terminal } from "./bundle/xterm.js";
import { Link } from "./link.js";

const SCROLLBACK_LINES = 5000;
// More than this is not drawn: the page stays alive.
const MOST_WAITING_BYTES = 24 << 20;

export class Serial {
  #terminal;
  #link;
  #waiting_bytes = 0;

  constructor(place, on_state) {
    this.#terminal = new Terminal({
      allowProposedApi: false,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      disableStdin: true,
      fontFamily: getComputedStyle(document.body).getPropertyValue("--mono"),
      fontSize: 13,
      linkHandler: { activate: () => {} },
      scrollback: SCROLLBACK_LINES,
      theme: THEME,
      windowOptions: {},
    });
    silence(this.#terminal.parser);
    const fit = new FitAddon();
    this.#terminal.loadAddon(fit);
    this.#terminal.open(place);
    new ResizeObserver(() => fit.fit()).observe(place);
    const encoder = new TextEncoder();
    this.#terminal.onData((text) => this.#link.send(encoder.encode(text)));
    this.#terminal.onBinary((text) => this.#link.send(Uint8Array.from(text, code_of)));
    this.#link = new Link("/ws/serial", {
      // All that was said comes again with each connection.
      opened: () => {
        this.#terminal.reset();
        on_state("");
      },
      took: (data) => this.#draw(new Uint8Array(data)),
      ended: () => on_state("not connected"),
    });
  }

  set typing(may_type) {
    this.#terminal.options.disableStdin = !may_type;
    this.#terminal.options.cursorBlink = may_type;
  }

  #draw(bytes) {
    if (this.#waiting_bytes + bytes.length > MOST_WAITING_BYTES) {
      return;
    }
    this.#waiting_bytes += bytes.length;
    this.#terminal.write(bytes, () => {
      this.#waiting_bytes -= bytes.length;
    });
  }
}

// What a terminal would answer to (device attributes, status, modes, colours, settings), and what
// would reach out of it (titles, the clipboard, links, the folder): taken, and dropped.
function silence(parser) {
  const nothing = () => true;
  const asking = [
    { final: "c" },
    { prefix: ">", final: "c" },
    { prefix: "=", final: "c" },
    { final: "n" },
    { prefix: "?", final: "n" },
    { intermediates: "$", final: "p" },
    { prefix: "?", intermediates: "$", final: "p" },
    { prefix: ">", final: "q" },
    { prefix: "?", final: "u" },
    { final: "t" },
  ];
  for (const id of asking) {
    parser.registerCsiHandler(id, nothing);
  }
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, nothing);
  parser.registerDcsHandler({ intermediates: "+", final: "q" }, nothing);
  for (const number of [0, 1, 2, 4, 7, 8, 9, 10, 11, 12, 52, 104, 110, 111, 112, 133, 633, 777, 1337]) {
    parser.registerOscHandler(number, nothing);
  }
}

function code_of(character) {
  return character.charCodeAt(0);
}

const THEME = {
  background: "#0d0f11",
  foreground: "#d3d7d2",
  cursor: "#e8b04b",
  selectionBackground: "#3d4a57",
  black: "#1b1e21",
  red: "#e06c5b",
  green: "#7fb77e",
  yellow: "#d9a94a",
  blue: "#6a9fd4",
  magenta: "#b48ac8",
  cyan: "#5fb3b0",
  white: "#c8ccc6",
  brightBlack: "#6b7176",
  brightRed: "#f28b7b",
  brightGreen: "#9fd39d",
  brightYellow: "#efc46c",
  brightBlue: "#8fbce8",
  brightMagenta: "#cfa9e0",
  brightCyan: "#84d0cc",
  brightWhite: "#f2f4f0",
};
