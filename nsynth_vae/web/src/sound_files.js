/** Sound files to notes: decoded by the browser at their own rate, resampled, and prepared as `encode` does. */

import { resample } from "./interpolation.js";
import { InputError } from "./names.js";
import { prepare, setLevel } from "./recording.js";
import { readWav } from "./wav.js";

/** Seconds of a long file that are looked at. */
const LONGEST = 30;
const FADE_SECONDS = 0.02;
/** Peak below which a note counts as silent. */
const SILENCE = 1e-3;
/** Of files whose rate is not found; browsers decode to whatever rate they are asked for. */
const USUAL_RATE = 48000;

/**
 * Read a file as a note.
 * @param {File} file
 * @param {{sample_rate: number, num_samples: number}} model
 * @returns {Promise<{audio: Float32Array, remarks: string[]}>}
 */
export async function readSound(file, model) {
  const content = await file.arrayBuffer();
  const { channels, sampleRate } = readWav(new Uint8Array(content)) ?? (await decode(file.name, content));
  const found = toNote(channels, sampleRate, model);
  if (!found.audio) throw new InputError(`${file.name}: is silent, expected a peak of at least ${SILENCE}`);
  return { audio: found.audio, remarks: found.remarks };
}

/**
 * Decode what the browser can, at the file's own rate.
 * @param {string} name
 * @param {ArrayBuffer} content
 */
async function decode(name, content) {
  const sampleRate = Math.max(8000, Math.min(192000, sampleRateOf(new Uint8Array(content)) ?? USUAL_RATE));
  try {
    const decoded = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(content);
    return { channels: Array.from({ length: decoded.numberOfChannels }, (_, index) => decoded.getChannelData(index)), sampleRate };
  } catch {
    throw new InputError(`${name}: cannot be decoded by this browser, expected WAV, FLAC, Ogg, MP3 or M4A`);
  }
}

/**
 * Return the note of a recording's channels, no audio for silence.
 * @param {Float32Array[]} channels
 * @param {number} rate
 * @param {{sample_rate: number, num_samples: number}} model
 * @returns {{audio: Float32Array | null, remarks: string[]}}
 */
export function toNote(channels, rate, { sample_rate: sampleRate, num_samples: size }) {
  const start = soundStart(channels, rate);
  const cut = channels.map((channel) => channel.subarray(start, start + LONGEST * rate));
  const recording = prepare(cut.map((channel) => resample(channel, rate, sampleRate)), sampleRate);
  const note = new Float32Array(size);
  note.set(recording.audio.subarray(recording.onset, recording.onset + size));
  const fade = Math.round(FADE_SECONDS * sampleRate);
  if (recording.audio.length - recording.onset > size + fade) {
    for (let index = 0; index < fade; index++) note[size - fade + index] *= 0.5 + 0.5 * Math.cos((Math.PI * (index + 1)) / fade);
  }
  const peak = note.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (peak < SILENCE) return { audio: null, remarks: [] };
  const levelled = setLevel(note);
  return { audio: levelled.audio, remarks: [...recording.remarks, ...levelled.remarks] };
}

/**
 * Return the sample before which a long file has only its lead-in; 0 for a short one.
 * @param {Float32Array[]} channels
 * @param {number} rate
 */
function soundStart(channels, rate) {
  if (channels[0].length <= LONGEST * rate) return 0;
  const peak = Math.max(...channels.map((channel) => channel.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));
  const first = Math.min(...channels.map((channel) => channel.findIndex((value) => Math.abs(value) >= 0.01 * peak)).filter((index) => index >= 0));
  return Math.max(0, Math.min(first - rate, channels[0].length - LONGEST * rate));
}

/**
 * Return the sample rate that a file states; null if it is not found.
 * @param {Uint8Array} bytes
 * @returns {number | null}
 */
export function sampleRateOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (/** @type {number} */ place, /** @type {number} */ length) => String.fromCharCode(...bytes.subarray(place, place + length));
  if (bytes.length < 64) return null;
  // Of a WAV that `readWav` does not read.
  if (text(0, 4) === "RIFF" && text(12, 4) === "fmt ") return view.getUint32(24, true);
  // STREAMINFO comes first, its rate in 20 bits.
  if (text(0, 4) === "fLaC") return view.getUint32(18) >>> 12;
  if (text(0, 4) === "OggS") return text(28, 8) === "OpusHead" ? 48000 : text(29, 6) === "vorbis" ? view.getUint32(40, true) : null;
  let place = 0;
  if (text(0, 3) === "ID3") place = 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]);
  for (; place + 4 <= bytes.length; place++) {
    if (bytes[place] !== 0xff || (bytes[place + 1] & 0xe0) !== 0xe0) continue;
    const [version, index] = [(bytes[place + 1] >> 3) & 3, (bytes[place + 2] >> 2) & 3];
    if (version === 1 || index === 3 || !((bytes[place + 1] >> 1) & 3)) continue;
    return [44100, 48000, 32000][index] / [4, 1, 2, 1][version];
  }
  return null;
}
