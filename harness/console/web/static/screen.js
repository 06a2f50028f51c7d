// The guest's screen, by noVNC. Who does not type only looks; the server holds to that, too.
import { RFB } from "./bundle/novnc.js";
import { address } from "./link.js";

const AGAIN_MS = 1000;

export class Screen {
  #place;
  #on_state;
  #rfb = null;
  #wanted = false;
  #may_type = false;
  #timer = 0;

  constructor(place, on_state) {
    this.#place = place;
    this.#on_state = on_state;
  }

  // Whether the machine serves a screen at all.
  set wanted(wanted) {
    this.#wanted = wanted;
    if (wanted && this.#rfb === null && this.#timer === 0) {
      this.#connect();
    }
    if (!wanted && this.#rfb === null) {
      this.#on_state("as text");
    }
  }

  set typing(may_type) {
    this.#may_type = may_type;
    if (this.#rfb !== null) {
      this.#rfb.viewOnly = !may_type;
    }
  }

  #connect() {
    this.#timer = 0;
    const rfb = new RFB(this.#place, address("/ws/vnc"), { shared: true });
    rfb.viewOnly = !this.#may_type;
    rfb.scaleViewport = true;
    rfb.resizeSession = false;
    rfb.showDotCursor = true;
    rfb.background = "transparent";
    rfb.addEventListener("connect", () => this.#on_state(""));
    rfb.addEventListener("disconnect", () => {
      this.#rfb = null;
      this.#on_state("off");
      if (this.#wanted) {
        this.#timer = setTimeout(() => this.#connect(), AGAIN_MS);
      }
    });
    this.#rfb = rfb;
  }
}
