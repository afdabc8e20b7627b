/** The page's controls, wired to the pad, the player and the engine. */

import { connect, receive } from "./midi.js";
import { STRENGTH } from "./model.js";
import { evaluate } from "./expression.js";
import { sample, seeded } from "./latent.js";
import { InputError } from "./names.js";
import { Keeping } from "./keeping.js";
import { readSound } from "./sound_files.js";
import { KeyboardView, noteName, PadView, ScopeView } from "./view.js";

/** @typedef {import("./model.js").Pad} Pad */

/** Computer keys by their place, from C on. */
const KEYS = "KeyA KeyW KeyS KeyE KeyD KeyF KeyT KeyG KeyY KeyH KeyU KeyJ KeyK KeyO KeyL KeyP Semicolon".split(" ");
const CORNERS = ["top left", "top right", "bottom left", "bottom right"];
/** Controllers that a keyboard is likely to have: name -> number. */
const CONTROLLERS = { "mod wheel": 1, breath: 2, volume: 7, pan: 10, expression: 11, "CC 16": 16, "CC 17": 17, "CC 74": 74, "CC 71": 71 };

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export const element = (id) => /** @type {T} */ (document.getElementById(id));

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
    /** Keys of the computer that are down: code -> pitch. */
    this.down = new Map();
    this.changing = 0;
    /** What the keyboard shows. */
    this.shown = "";
    this.axes = { x: 1, y: 74 };
    this.view = new PadView(element("pad"), (x, y) => this.moveTo(x, y));
    this.keyboard = new KeyboardView(
      element("keyboard"),
      (key, velocity) => player.noteOn(key, velocity),
      (key) => player.noteOff(key),
    );
    this.scope = new ScopeView(element("scope"), output.analyser, (level) => this.view.glow(level));
    this.keeping = new Keeping(this);
    player.onKey = (key, on) => this.keyboard.mark(key, on);
    player.onError = (error) => this.say(error.message);
    this.makeCorners();
    this.makeSliders();
    this.connectTimbre();
    this.connectKeys();
    this.connectMidi(webMidi);
    this.restore(location.hash.slice(1));
    window.addEventListener("hashchange", () => this.restore(location.hash.slice(1)));
    window.addEventListener("resize", () => this.showKeyboard());
  }

  /** Called when the decoder is warm. */
  ready() {
    this.show();
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

  makeCorners() {
    for (const box of document.querySelectorAll(".corner")) {
      if (!(box instanceof HTMLElement)) continue;
      const corner = Number(box.dataset.corner);
      const select = document.createElement("select");
      select.setAttribute("aria-label", `Timbre ${CORNERS[corner]}`);
      select.addEventListener("change", () => this.attempt(() => this.setCorner(corner, select.value)));
      const file = document.createElement("label");
      file.className = "file";
      file.title = "Take a sound file as this corner; or drop one on it";
      const input = document.createElement("input");
      input.type = "file";
      input.accept = "audio/*";
      input.setAttribute("aria-label", `Sound file ${CORNERS[corner]}`);
      input.addEventListener("change", () => {
        const chosen = input.files?.[0];
        // The same file can then be chosen once more.
        if (chosen) this.drop(corner, chosen).finally(() => Object.assign(input, { value: "" }));
      });
      file.append("File", input);
      box.append(select, file);
      this.acceptDrops(box, () => corner);
    }
    // On the pad itself the nearest corner is meant.
    const pad = element("pad");
    this.acceptDrops(pad, (event) => {
      const box = pad.getBoundingClientRect();
      return (event.clientX > box.left + box.width / 2 ? 1 : 0) + (event.clientY > box.top + box.height / 2 ? 2 : 0);
    });
    // Beside them, a file must not replace the page.
    for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
  }

  /**
   * @param {HTMLElement} target
   * @param {(event: DragEvent) => number} corner
   */
  acceptDrops(target, corner) {
    target.addEventListener("dragover", (event) => {
      event.preventDefault();
      target.classList.add("over");
    });
    target.addEventListener("dragleave", () => target.classList.remove("over"));
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      target.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.drop(corner(event), file);
    });
  }

  /**
   * Encode a sound file, and make it a corner.
   * @param {number} corner
   * @param {File} file
   */
  drop(corner, file) {
    return this.attempt(async () => {
      this.say(`${file.name}: encoding …`, true);
      const { audio, remarks } = await readSound(file, this.pad.data);
      const z = await this.engine.encode(audio);
      this.pad.names.addFile(file.name, Array.from(z));
      this.pad.setCorner(corner, file.name, z);
      this.say([`${file.name}: ${CORNERS[corner]}`, ...remarks].join("; "), true);
      this.change();
    });
  }

  /**
   * @param {number} corner
   * @param {string} text a name or an expression
   */
  setCorner(corner, text) {
    this.pad.setCorner(corner, text, evaluate(text, this.pad.names));
    this.change();
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
      label.title = change === null ? name : `${name}: ${signed(change)} ${unit} at strength 1`;
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
      this.attempt(() => this.setCorner(corner, text.trim()));
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
    for (const [index, select] of document.querySelectorAll(".corner select").entries()) {
      if (select instanceof HTMLSelectElement) this.fillCorner(select, pad.corners[index].name);
    }
    for (const input of document.querySelectorAll(".slider input")) {
      if (!(input instanceof HTMLInputElement)) continue;
      const name = input.dataset.direction ?? "";
      const strength = pad.directions[name] ?? 0;
      input.value = String(strength);
      const { unit, change } = pad.data.directions[name];
      const text = change === null || !unit ? signed(strength) : `${signed(strength * change)} ${unit}`;
      /** @type {HTMLElement} */ (input.previousElementSibling).textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    /** @type {HTMLInputElement} */ (element("equalize")).checked = pad.equalize;
    this.showKeyboard();
  }

  /**
   * @param {HTMLSelectElement} select
   * @param {string} name of the corner
   */
  fillCorner(select, name) {
    const { data, names } = this.pad;
    const groups = { Families: Object.keys(data.families), Instruments: Object.keys(data.instruments), Sounds: [...names.files.keys()] };
    /** @type {Record<string, string[]>} */
    const all = { ...(Object.values(groups).some((group) => group.includes(name)) ? {} : { Set: [name] }), ...groups };
    const signature = JSON.stringify(all);
    if (select.dataset.signature !== signature) {
      select.dataset.signature = signature;
      select.replaceChildren(
        ...Object.entries(all).filter(([, group]) => group.length).map(([title, group]) => {
          const options = document.createElement("optgroup");
          options.label = title;
          options.append(...group.map((one) => new Option(one.replaceAll("_", " "), one)));
          return options;
        }),
      );
    }
    select.value = name;
  }

  showKeyboard() {
    const octaves = Math.max(1, Math.min(4, Math.floor(element("keyboard").clientWidth / 270)));
    const shown = `${this.pad.octave} ${octaves}`;
    if (this.shown === shown) return;
    this.shown = shown;
    this.keyboard.show(this.pad.octave, octaves);
    element("octave").textContent = `from ${noteName(this.pad.octave)}`;
  }

  /** @param {number} octaves */
  shiftOctave(octaves) {
    this.releaseComputerKeys();
    this.pad.octave = Math.max(0, Math.min(108, this.pad.octave + 12 * octaves));
    this.showKeyboard();
  }

  releaseComputerKeys() {
    for (const pitch of this.down.values()) this.player.noteOff(pitch);
    this.down.clear();
  }

  connectKeys() {
    element("octave-down").addEventListener("click", () => this.shiftOctave(-1));
    element("octave-up").addEventListener("click", () => this.shiftOctave(1));
    element("panic").addEventListener("click", () => this.panic());
    const pedal = /** @type {HTMLInputElement} */ (element("pedal"));
    pedal.addEventListener("change", () => this.player.setPedal(pedal.checked));
    document.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("keyup", (event) => {
      const pitch = this.down.get(event.code);
      this.down.delete(event.code);
      if (pitch !== undefined) this.player.noteOff(pitch);
    });
    // What is let go elsewhere is never heard of here.
    window.addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.letGo();
    });
  }

  letGo() {
    this.down.clear();
    /** @type {HTMLInputElement} */ (element("pedal")).checked = false;
    this.keyboard.pointers.clear();
    this.player.allNotesOff();
  }

  panic() {
    this.letGo();
    this.player.panic();
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key === "Escape") return this.panic();
    const typing = event.target instanceof HTMLElement && event.target.matches("input[type=text], select");
    if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    if (event.code === "KeyZ") return this.shiftOctave(-1);
    if (event.code === "KeyX") return this.shiftOctave(1);
    const step = KEYS.indexOf(event.code);
    if (step < 0 || this.down.has(event.code)) return undefined;
    event.preventDefault();
    const pitch = this.pad.octave + step;
    this.down.set(event.code, pitch);
    this.player.noteOn(pitch, 100);
    return undefined;
  }

  /** @param {any} webMidi */
  connectMidi(webMidi) {
    for (const axis of /** @type {const} */ (["x", "y"])) {
      const select = /** @type {HTMLSelectElement} */ (element(`cc-${axis}`));
      select.append(...Object.entries(CONTROLLERS).map(([name, number]) => new Option(name, String(number))));
      select.value = String(this.axes[axis]);
      select.addEventListener("change", () => (this.axes[axis] = Number(select.value)));
    }
    const status = element("midi-status");
    element("midi").addEventListener("click", () =>
      connect(webMidi, (message) => this.receiveMidi(message), (text) => (status.textContent = text)),
    );
  }

  /** @param {ArrayLike<number>} message */
  receiveMidi(message) {
    const { player } = this;
    receive(
      message,
      {
        noteOn: (key, velocity) => player.noteOn(key, velocity),
        noteOff: (key) => player.noteOff(key),
        setPedal: (down) => player.setPedal(down),
        setBend: (cents) => player.setBend(cents),
        allNotesOff: () => player.allNotesOff(),
        panic: () => this.panic(),
        setAxis: (axis, value) => this.moveTo(axis === "x" ? value : this.pad.x, axis === "y" ? value : this.pad.y),
      },
      this.axes,
    );
  }
}

/** @param {number} value */
function signed(value) {
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
  return value > 0 ? `+${text}` : text.replace("-", "−");
}
