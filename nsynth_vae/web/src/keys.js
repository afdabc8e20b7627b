/** Keys of the screen, the computer and MIDI. */

import { element } from "./elements.js";
import { connect, receive } from "./midi.js";
import { KeyboardView, noteName } from "./view.js";

/** Computer keys by their place, from C on. */
const KEYS = "KeyA KeyW KeyS KeyE KeyD KeyF KeyT KeyG KeyY KeyH KeyU KeyJ KeyK KeyO KeyL KeyP Semicolon".split(" ");
/** Controllers that a keyboard is likely to have: name -> number. */
const CONTROLLERS = { "mod wheel": 1, breath: 2, volume: 7, pan: 10, expression: 11, "CC 16": 16, "CC 17": 17, "CC 74": 74, "CC 71": 71 };

/** Whatever plays notes. */
export class Keys {
  /**
   * @param {import("./controls.js").Controls} controls
   * @param {any} webMidi
   */
  constructor(controls, webMidi) {
    this.controls = controls;
    this.pad = controls.pad;
    this.player = controls.player;
    /** Keys of the computer that are down: code -> pitch. */
    this.down = new Map();
    this.axes = { x: 1, y: 74 };
    /** What the keyboard shows. */
    this.shown = "";
    this.keyboard = new KeyboardView(
      element("keyboard"),
      (key, velocity) => this.player.noteOn(key, velocity),
      (key) => this.player.noteOff(key),
    );
    this.player.onKey = (key, on) => this.keyboard.mark(key, on);
    this.connectKeys();
    this.connectMidi(webMidi);
    window.addEventListener("resize", () => this.show());
  }

  /** Show as many octaves as there is room for, from the lowest on. */
  show() {
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
    this.show();
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
        setAxis: (axis, value) => this.controls.moveTo(axis === "x" ? value : this.pad.x, axis === "y" ? value : this.pad.y),
      },
      this.axes,
    );
  }
}
