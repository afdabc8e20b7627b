/** MIDI messages to the player: notes, pedal, bend, and controllers on the pad's axes. */

/** Semitones of a full pitch bend. */
export const BEND_SEMITONES = 2;

/**
 * @typedef {object} Target
 * @property {(key: number, velocity: number) => void} noteOn
 * @property {(key: number) => void} noteOff
 * @property {(down: boolean) => void} setPedal
 * @property {(cents: number) => void} setBend
 * @property {() => void} allNotesOff
 * @property {() => void} panic
 * @property {(axis: "x" | "y", value: number) => void} setAxis
 */

/**
 * Carry out a MIDI message, on any channel.
 * @param {ArrayLike<number>} message
 * @param {Target} target
 * @param {{x: number, y: number}} controllers of the pad's axes
 */
export function receive(message, target, controllers) {
  const [status, first, second] = Array.from(message);
  const kind = status & 0xf0;
  if (kind === 0x90 && second > 0) target.noteOn(first, second);
  else if (kind === 0x80 || kind === 0x90) target.noteOff(first);
  else if (kind === 0xe0) {
    const bend = second * 128 + first - 8192;
    target.setBend((100 * BEND_SEMITONES * bend) / (bend > 0 ? 8191 : 8192));
  } else if (kind === 0xb0) {
    if (first === 64) target.setPedal(second >= 64);
    else if (first === 120) target.panic();
    else if (first >= 123) target.allNotesOff();
    else if (first === controllers.x) target.setAxis("x", second / 127);
    else if (first === controllers.y) target.setAxis("y", second / 127);
  }
}

/**
 * Listen to all inputs by WebMidi.js.
 * @param {any} webMidi
 * @param {(message: ArrayLike<number>) => void} onMessage
 * @param {(text: string) => void} report
 */
export async function connect(webMidi, onMessage, report) {
  if (!webMidi.supported) {
    report(globalThis.isSecureContext ? "This browser has no Web MIDI" : "Web MIDI needs pad --serve in this browser");
    return;
  }
  try {
    await webMidi.enable();
  } catch (error) {
    report(`MIDI: ${/** @type {any} */ (error)?.message ?? error}`);
    return;
  }
  const listen = () => {
    for (const input of webMidi.inputs) {
      input.removeListener("midimessage");
      input.addListener("midimessage", (/** @type {any} */ event) => onMessage(event.message.data));
    }
    const names = webMidi.inputs.map((/** @type {any} */ input) => input.name);
    report(names.length ? `MIDI: ${names.join(", ")}` : "MIDI: no device");
  };
  webMidi.addListener("connected", listen);
  webMidi.addListener("disconnected", listen);
  listen();
}
