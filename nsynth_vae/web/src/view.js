/** What is drawn: the pad with its handle, the keys, and the spectrogram of what sounds. */

import { PLACES } from "./state.js";

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** @param {number} pitch MIDI */
export function noteName(pitch) {
  return `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

/** The pad: pointer and arrow keys move the handle. */
export class PadView {
  /**
   * @param {HTMLElement} element
   * @param {(x: number, y: number) => void} onMove
   */
  constructor(element, onMove) {
    this.element = element;
    this.onMove = onMove;
    this.place = { x: 0.5, y: 0.5 };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      this.pointed(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) this.pointed(event);
    });
    element.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const box = this.element.getBoundingClientRect();
    this.onMove((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    this.element.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const size = (event.shiftKey ? 10 : 2) / PLACES;
    this.onMove(this.place.x + size * step[0], this.place.y + size * step[1]);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {string} description
   */
  show(x, y, description) {
    this.place = { x, y };
    this.element.style.setProperty("--x", String(x));
    this.element.style.setProperty("--y", String(y));
    this.element.setAttribute("aria-valuetext", description);
    this.element.setAttribute("aria-valuenow", String(Math.round(100 * x)));
  }

  /** @param {number} level 0 to 1 */
  glow(level) {
    this.element.style.setProperty("--level", reducedMotion.matches ? "0" : level.toFixed(2));
  }
}

/** Keys on the screen, as buttons; a pointer slides from one to the next. */
export class KeyboardView {
  /**
   * @param {HTMLElement} element
   * @param {(key: number, velocity: number) => void} noteOn
   * @param {(key: number) => void} noteOff
   */
  constructor(element, noteOn, noteOff) {
    this.element = element;
    this.noteOn = noteOn;
    this.noteOff = noteOff;
    /** @type {Map<number, HTMLElement>} */
    this.keys = new Map();
    /** @type {Map<number, number>} pointer -> key */
    this.pointers = new Map();
    element.addEventListener("pointerdown", (event) => this.pointed(event));
    element.addEventListener("pointermove", (event) => {
      if (this.pointers.has(event.pointerId)) this.pointed(event);
    });
    for (const type of ["pointerup", "pointercancel"]) {
      window.addEventListener(type, (event) => this.lifted(/** @type {PointerEvent} */ (event)));
    }
    // Enter and the space bar, on a key that has the focus.
    element.addEventListener("keydown", (event) => this.pressed(event, true));
    element.addEventListener("keyup", (event) => this.pressed(event, false));
  }

  /**
   * @param {number} first MIDI pitch of the first key, a C
   * @param {number} octaves
   */
  show(first, octaves) {
    this.element.replaceChildren();
    this.keys.clear();
    const whites = 7 * octaves + 1;
    let white = 0;
    for (let pitch = first; pitch <= Math.min(first + 12 * octaves, 127); pitch++) {
      const black = NAMES[pitch % 12].includes("♯");
      const key = document.createElement("button");
      key.type = "button";
      key.className = black ? "key black" : "key";
      key.dataset.pitch = String(pitch);
      key.setAttribute("aria-label", noteName(pitch));
      key.style.left = `${(100 * (black ? white - 0.3 : white)) / whites}%`;
      key.style.width = `${(100 * (black ? 0.6 : 1)) / whites}%`;
      if (pitch % 12 === 0) key.textContent = noteName(pitch);
      if (!black) white += 1;
      this.keys.set(pitch, key);
      this.element.append(key);
    }
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const key = under instanceof HTMLElement && this.element.contains(under) ? Number(under.dataset.pitch) : NaN;
    const before = this.pointers.get(event.pointerId);
    if (before === key) return;
    if (event.type === "pointerdown" && under instanceof HTMLElement) {
      under.releasePointerCapture(event.pointerId);
      event.preventDefault();
    }
    if (before !== undefined && !Number.isNaN(before)) this.noteOff(before);
    this.pointers.set(event.pointerId, key);
    if (Number.isNaN(key) || !under) return;
    // Further down a key is louder, as on many instruments.
    const box = under.getBoundingClientRect();
    this.noteOn(key, Math.round(60 + 67 * Math.min(1, (event.clientY - box.top) / box.height)));
  }

  /** @param {PointerEvent} event */
  lifted(event) {
    const key = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (key !== undefined && !Number.isNaN(key)) this.noteOff(key);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {boolean} down
   */
  pressed(event, down) {
    const pitch = event.target instanceof HTMLElement ? Number(event.target.dataset.pitch) : NaN;
    if (Number.isNaN(pitch) || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    if (down && !event.repeat) this.noteOn(pitch, 100);
    if (!down) this.noteOff(pitch);
  }

  /**
   * @param {number} pitch
   * @param {boolean} on
   */
  mark(pitch, on) {
    this.keys.get(pitch)?.classList.toggle("on", on);
  }
}

/** A spectrogram that moves with time; where motion is reduced, the waveform. */
export class ScopeView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {AnalyserNode} analyser
   * @param {(level: number) => void} onLevel
   */
  constructor(canvas, analyser, onLevel) {
    this.canvas = canvas;
    this.analyser = analyser;
    this.onLevel = onLevel;
    this.wave = new Float32Array(analyser.fftSize);
    this.bins = new Uint8Array(analyser.frequencyBinCount);
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    this.colours = Array.from({ length: 256 }, (_, value) => colour(value / 255));
    this.still = 0;
    this.draw = this.draw.bind(this);
    requestAnimationFrame(this.draw);
  }

  draw() {
    requestAnimationFrame(this.draw);
    const { canvas, context, analyser } = this;
    analyser.getFloatTimeDomainData(this.wave);
    const peak = this.wave.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    this.onLevel(Math.min(1, 2 * peak));
    // After a screen of silence nothing is to be drawn.
    this.still = peak > 1e-4 ? 0 : this.still + 1;
    if (this.still > canvas.width) return;
    const { width, height } = canvas;
    if (reducedMotion.matches) {
      context.fillStyle = this.colours[0];
      context.fillRect(0, 0, width, height);
      context.strokeStyle = this.colours[200];
      context.beginPath();
      for (let x = 0; x < width; x++) {
        context.lineTo(x, (0.5 - 0.5 * this.wave[Math.floor((x * this.wave.length) / width)]) * height);
      }
      context.stroke();
      return;
    }
    analyser.getByteFrequencyData(this.bins);
    context.drawImage(canvas, -1, 0);
    const [low, high] = [40, 8000];
    const hertzPerBin = analyser.context.sampleRate / analyser.fftSize;
    for (let y = 0; y < height; y++) {
      const bin = (low * (high / low) ** (1 - y / height)) / hertzPerBin;
      const whole = Math.floor(bin);
      const value = this.bins[whole] + (bin - whole) * (this.bins[whole + 1] - this.bins[whole]);
      context.fillStyle = this.colours[Math.round(value) & 255];
      context.fillRect(width - 1, y, 1, 1);
    }
  }
}

/**
 * Return the colour of a level: from the page's background by violet and rose to pale yellow.
 * @param {number} level 0 to 1
 */
function colour(level) {
  const stops = [[13, 15, 23], [58, 42, 120], [178, 62, 140], [250, 150, 110], [255, 240, 200]];
  const place = level * (stops.length - 1);
  const index = Math.min(Math.floor(place), stops.length - 2);
  const mixed = stops[index].map((value, channel) => Math.round(value + (place - index) * (stops[index + 1][channel] - value)));
  return `rgb(${mixed})`;
}
