/** The page's controls, wired to the pad, the player and the engine. */

import { Corners } from "./corners.js";
import { element } from "./elements.js";
import { Keeping } from "./keeping.js";
import { Keys } from "./keys.js";
import { sample, seeded } from "./latent.js";
import { STRENGTH } from "./model.js";
import { InputError } from "./names.js";
import { PadView, ScopeView } from "./view.js";

/** @typedef {import("./model.js").Pad} Pad */

/** Connects what is on the page. */
export class Controls {
  /**
   * @param {Pad} pad
   * @param {import("./engine.js").Engine} engine
   * @param {import("./player.js").Player} player
   * @param {import("./audio.js").Output} output
   * @param {any} webMidi
   */
  constructor(pad, engine, player, output, webMidi) {
    this.pad = pad;
    this.engine = engine;
    this.player = player;
    this.output = output;
    this.changing = 0;
    this.view = new PadView(element("pad"), (x, y) => this.moveTo(x, y));
    this.scope = new ScopeView(element("scope"), output.analyser, (level) => this.view.glow(level));
    this.keeping = new Keeping(this);
    player.onError = (error) => this.say(error.message);
    this.corners = new Corners(this);
    this.keys = new Keys(this, webMidi);
    this.makeSliders();
    this.connectTimbre();
    this.restore(location.hash.slice(1));
    window.addEventListener("hashchange", () => this.restore(location.hash.slice(1)));
  }

  /**
   * Show a line to the user.
   * @param {string} text
   * @param {boolean} good
   */
  say(text, good = false) {
    const message = element("message");
    message.textContent = text;
    message.className = good ? "good" : "";
  }

  /**
   * Do what may fail by what the user has given, and say so.
   * @param {() => void | Promise<void>} action
   */
  async attempt(action) {
    this.say("");
    try {
      await action();
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
      if (!(error instanceof InputError)) throw error;
    }
  }

  /** @param {string} fragment */
  restore(fragment) {
    if (!fragment) this.show();
    else this.attempt(() => this.pad.restore(fragment)).finally(() => this.show());
  }

  makeSliders() {
    const box = /** @type {HTMLElement} */ (document.querySelector(".sliders"));
    for (const [name, { unit, change }] of Object.entries(this.pad.data.directions)) {
      const label = document.createElement("label");
      label.className = "slider";
      const output = document.createElement("output");
      const input = document.createElement("input");
      Object.assign(input, { type: "range", min: -STRENGTH, max: STRENGTH, step: 0.05, value: 0 });
      input.dataset.direction = name;
      input.addEventListener("input", () => {
        const strength = Number(input.value);
        if (strength) this.pad.directions[name] = strength;
        else delete this.pad.directions[name];
        this.change();
      });
      input.addEventListener("dblclick", () => {
        input.value = "0";
        input.dispatchEvent(new Event("input"));
      });
      const text = document.createElement("span");
      text.textContent = name.replaceAll("_", " ");
      label.append(text, output, input);
      label.title = change === null ? name : `${name}: ${signed(change)} (${unit}) at strength 1`;
      box.append(label);
    }
    if (!box.children.length) element("directions").hidden = true;
    element("reset").addEventListener("click", () => {
      this.pad.directions = {};
      this.change();
    });
    const equalize = /** @type {HTMLInputElement} */ (element("equalize"));
    equalize.addEventListener("change", () => {
      this.pad.equalize = equalize.checked;
      this.change();
    });
  }

  connectTimbre() {
    element("expression").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = /** @type {HTMLInputElement} */ (element("expression-text")).value;
      const corner = Number(/** @type {HTMLSelectElement} */ (element("expression-corner")).value);
      this.attempt(() => this.corners.set(corner, text.trim()));
    });
    const surprise = /** @type {HTMLButtonElement} */ (element("surprise"));
    surprise.disabled = !this.pad.data.mixture;
    surprise.addEventListener("click", () => this.surprise(Math.floor(Math.random() * 2 ** 31)));
  }

  /**
   * Draw all corners from the mixture.
   * @param {number} seed
   */
  surprise(seed) {
    const { mixture } = this.pad.data;
    if (!mixture) return;
    const random = seeded(seed);
    for (let corner = 0; corner < 4; corner++) this.pad.setCorner(corner, `random ${seed % 1000}.${corner + 1}`, sample(mixture, random));
    this.change();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  moveTo(x, y) {
    this.pad.moveTo(x, y);
    this.change();
  }

  /** Follow a change of the timbre: at once on the page, once a frame in the sound. */
  change() {
    this.show();
    if (this.changing) return;
    this.changing = requestAnimationFrame(() => {
      this.changing = 0;
      this.player.follow();
    });
  }

  /** Show the state. */
  show() {
    const { pad } = this;
    this.view.show(pad.x, pad.y, pad.describe());
    this.corners.show();
    this.keys.show();
    for (const input of document.querySelectorAll(".slider input")) {
      if (!(input instanceof HTMLInputElement)) continue;
      const name = input.dataset.direction ?? "";
      const strength = pad.directions[name] ?? 0;
      input.value = String(strength);
      const { descriptor, unit, change } = pad.data.directions[name];
      const text = change === null || !unit ? signed(strength) : `${signed(strength * change)} ${/^\d/.test(unit) ? descriptor : unit}`;
      /** @type {HTMLElement} */ (input.previousElementSibling).textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    /** @type {HTMLInputElement} */ (element("equalize")).checked = pad.equalize;
  }

}

/** @param {number} value */
function signed(value) {
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
  return value > 0 ? `+${text}` : text.replace("-", "−");
}
