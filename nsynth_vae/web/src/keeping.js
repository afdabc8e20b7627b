/** Keeping what was found: share link, presets, the note as WAV, recordings, and the timbre as an SFZ instrument. */

import { element } from "./elements.js";
import { SOON } from "./engine.js";
import { formatSfz, regions } from "./multisample.js";
import { wavBytes } from "./wav.js";
import { zip } from "./zip.js";

/** @typedef {import("./multisample.js").Sample} Sample */

/** Where presets are stored: name -> fragment. */
const STORED = "nsynth-vae-presets";
const PEAK = 10 ** (-1 / 20);

/** The buttons that keep something. */
export class Keeping {
  /** @param {import("./controls.js").Controls} controls */
  constructor(controls) {
    this.controls = controls;
    const click = (/** @type {string} */ id, /** @type {() => void | Promise<void>} */ action) =>
      element(id).addEventListener("click", () => controls.attempt(action));
    click("share", () => this.share());
    click("wav", () => this.saveNote());
    click("sfz", () => this.saveInstrument());
    click("record", () => this.record());
    click("preset-save", () => this.savePreset());
    click("preset-delete", () => this.deletePreset());
    const presets = /** @type {HTMLSelectElement} */ (element("presets"));
    presets.addEventListener("change", () => {
      if (!presets.value) return;
      controls.attempt(() => controls.pad.restore(this.presets()[presets.value])).then(() => controls.change());
    });
    this.showPresets();
  }

  /** Put the state into the address, and copy that. */
  async share() {
    history.replaceState(null, "", `#${this.controls.pad.fragment()}`);
    try {
      await navigator.clipboard.writeText(location.href);
      this.controls.say("The link is copied.", true);
    } catch {
      this.controls.say("The link is in the address bar.", true);
    }
  }

  /** Download the note of the key played last. */
  async saveNote() {
    const { pad, engine, player } = this.controls;
    const pitch = player.recent[0] ?? 60;
    const { audio } = await engine.render(pad.request(pitch, 100));
    download(wavBytes(audio, pad.data.sample_rate), `${this.name()}-${pitch}.wav`, "audio/wav");
  }

  /** Begin or end a recording of what is played. */
  record() {
    const { output } = this.controls;
    const button = element("record");
    const on = !output.recorded;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Stop" : "Record";
    if (on) output.record();
    else download(wavBytes(output.stop(), output.context.sampleRate), `${this.name()}-recording.wav`, "audio/wav");
  }

  /** Download the timbre as an SFZ instrument. */
  async saveInstrument() {
    const button = /** @type {HTMLButtonElement} */ (element("sfz"));
    button.disabled = true;
    try {
      const archive = await this.makeInstrument((text) => this.controls.say(text, true));
      download(archive, `${this.name()}.zip`, "application/zip");
      this.controls.say("The instrument is in your downloads.", true);
    } finally {
      button.disabled = false;
    }
  }

  /**
   * Return an instrument, in a folder of a ZIP archive, with every third key from C2 to C6 at three velocities.
   * @param {(text: string) => void} report
   * @param {{pitches?: [number, number], velocities?: number[]}} keys
   */
  async makeInstrument(report = () => {}, { pitches = [36, 84], velocities = [50, 100, 127] } = {}) {
    const { pad, engine } = this.controls;
    const { sample_rate: sampleRate, model } = pad.data;
    const name = this.name();
    const timbre = pad.describe();
    // The pad may move on meanwhile.
    const z = Array.from(pad.z());
    /** @type {import("./types").NoteRequest[]} */
    const requests = [];
    for (let pitch = pitches[0]; pitch <= pitches[1]; pitch += 3) {
      for (const velocity of velocities) requests.push(pad.request(pitch, velocity));
    }
    const notes = [];
    for (const [index, request] of requests.entries()) {
      report(`Instrument: ${index} of ${requests.length} notes`);
      notes.push((await engine.render(request, SOON)).audio);
    }
    const decibels = notes.map((note) => 20 * Math.log10(Math.sqrt(note.reduce((sum, value) => sum + value * value, 0) / note.length) + 1e-9));
    // Samplers set the level of a velocity: the mean levels of all velocities are made equal.
    const means = velocities.map((velocity) => {
      const own = decibels.filter((_, index) => requests[index].velocity === velocity);
      return own.reduce((sum, value) => sum + value, 0) / own.length;
    });
    /** @type {Sample[]} */
    const samples = [];
    for (const [index, { pitch, velocity }] of requests.entries()) {
      report(`Instrument: ${index} of ${requests.length} samples`);
      const gain = 10 ** ((Math.max(...means) - means[velocities.indexOf(velocity)]) / 20);
      const audio = notes[index].map((value) => gain * value);
      samples.push((await engine.thread.ask({ operation: "sample", audio, pitch, velocity }, SOON)).sample);
    }
    const peak = Math.max(1e-9, ...samples.map(({ audio }) => audio.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));
    for (const sample of samples) sample.audio = sample.audio.map((value) => (value * PEAK) / peak);
    const all = regions(samples, name);
    const record = {
      format_version: 1,
      model,
      timbre,
      z,
      sample_rate: sampleRate,
      samples: all.map(({ file, sample, keys, velocities: range, cents }) => ({
        file,
        detuning_cents: sample.cents,
        pitch: sample.pitch,
        velocity: sample.velocity,
        kind: sample.kind,
        loop: sample.loop,
        release_seconds: sample.releaseSeconds,
        keys,
        velocities: range,
        cents,
      })),
    };
    const text = (/** @type {string} */ content) => new TextEncoder().encode(content);
    const comments = [`${name}: ${timbre}`, `made by nsynth_vae.pad with the model ${model}`];
    return zip({
      [`${name}/${name}.sfz`]: text(formatSfz(all, comments)),
      [`${name}/instrument.json`]: text(`${JSON.stringify(record, null, 1)}\n`),
      ...Object.fromEntries(
        all.map(({ file, sample }) => [`${name}/${file}`, wavBytes(sample.audio, sampleRate, { pitch: sample.pitch, loop: sample.loop })]),
      ),
    });
  }

  /** Return a file name for the timbre: `#` begins a directive in SFZ, and `-` the pitch in a note's name. */
  name() {
    const { corners } = this.controls.pad;
    const names = [...new Set(corners.map(({ name }) => name))].join("_");
    return names.replace(/[^\p{L}\p{N}_.]+/gu, "_").slice(0, 60) || "pad";
  }

  /** @returns {Record<string, string>} */
  presets() {
    try {
      return JSON.parse(localStorage.getItem(STORED) ?? "{}");
    } catch {
      // Some browsers store nothing for pages that are files.
      return {};
    }
  }

  /** @param {Record<string, string>} presets */
  store(presets) {
    try {
      localStorage.setItem(STORED, JSON.stringify(presets));
    } catch {
      this.controls.say("This browser stores no presets for this page: share links work.");
    }
    this.showPresets();
  }

  savePreset() {
    const name = window.prompt("Name of the preset", this.controls.pad.describe())?.trim();
    if (!name) return;
    this.store({ ...this.presets(), [name]: this.controls.pad.fragment() });
    /** @type {HTMLSelectElement} */ (element("presets")).value = name;
  }

  deletePreset() {
    const { value } = /** @type {HTMLSelectElement} */ (element("presets"));
    this.store(Object.fromEntries(Object.entries(this.presets()).filter(([name]) => name !== value)));
  }

  showPresets() {
    const presets = /** @type {HTMLSelectElement} */ (element("presets"));
    const names = Object.keys(this.presets()).sort();
    presets.replaceChildren(new Option(names.length ? "Presets …" : "No presets yet", ""), ...names.map((name) => new Option(name, name)));
  }
}

/**
 * @param {Uint8Array} content
 * @param {string} name
 * @param {string} type
 */
function download(content, name, type) {
  const url = URL.createObjectURL(new Blob([/** @type {BlobPart} */ (content)], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  // The browser reads it after this task.
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
