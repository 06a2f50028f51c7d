// A websocket that comes again when it ends, and says how it is.

const SOONEST_MS = 500;
const LATEST_MS = 5000;

export class Link {
  #path;
  #handlers;
  #socket = null;
  #wait_ms = SOONEST_MS;

  // handlers: opened(), took(data), ended()
  constructor(path, handlers) {
    this.#path = path;
    this.#handlers = handlers;
    this.#open();
  }

  send(bytes) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(bytes);
    }
  }

  #open() {
    const socket = new WebSocket(address(this.#path));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.#wait_ms = SOONEST_MS;
      this.#handlers.opened();
    });
    socket.addEventListener("message", (message) => this.#handlers.took(message.data));
    socket.addEventListener("close", () => {
      this.#handlers.ended();
      setTimeout(() => this.#open(), this.#wait_ms);
      this.#wait_ms = Math.min(2 * this.#wait_ms, LATEST_MS);
    });
    this.#socket = socket;
  }
}

export function address(path) {
  return `ws://${location.host}${path}`;
}
