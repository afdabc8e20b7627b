/** Recordings as notes: channels, background, onset and level, as `analysis/recordings.py` treats them. */

import { findQuiet, HUM_LEFT_DB, mean, removeNoise, removeOffset, variance } from "./background.js";
import { power } from "./fft.js";
import { removeHum } from "./hum.js";

const PEAK_DB = -0.6;
const QUIET_DB = -45;
const RAISED_DB = 12;
const ONSET_DB = -40;
const ONSET_SECONDS = 0.0025;
const CANCELLED = 0.5;
const EVENT_SECONDS = 0.05;
const EVENT_WEIGHT = 0.03;

/**
 * Turn a recording into the sound of a note.
 * @param {Float32Array[]} channels
 * @param {number} sampleRate
 * @returns {{audio: Float32Array, onset: number, remarks: string[]}}
 */
export function prepare(channels, sampleRate) {
  const folded = fold(channels);
  const offset = removeOffset(folded.audio, sampleRate);
  let { audio } = offset;
  let [hum, noise, noiseLevel] = ["", "", 0];
  let quiet = findQuiet(audio, sampleRate);
  if (quiet.leadIn && quiet.ended) {
    noise = "background before the note cut off";
    noiseLevel = Math.sqrt(variance(audio.subarray(quiet.leadIn.start, quiet.leadIn.stop)));
    quiet = { leadIn: null, cleanest: null, ended: true };
  } else {
    ({ audio, remark: hum } = removeHum(audio, quiet.cleanest, sampleRate));
    if (hum) quiet = findQuiet(audio, sampleRate, HUM_LEFT_DB);
  }
  if (quiet.cleanest) {
    const before = quiet.cleanest === quiet.leadIn;
    ({ audio, level: noiseLevel, remark: noise } = removeNoise(audio, quiet.cleanest, sampleRate, before, Boolean(hum)));
  }
  const remarks = [folded.remark, offset.remark, hum, noise].filter(Boolean);
  return { audio: Float32Array.from(audio), onset: findOnset(audio, sampleRate, noiseLevel), remarks };
}

/**
 * Fold channels to one: their mean, or the loudest of them if the mean loses a part of the spectrum.
 * @param {Float32Array[]} channels
 */
function fold(channels) {
  const audio = Float64Array.from(channels[0], (_, index) => channels.reduce((sum, one) => sum + one[index], 0) / channels.length);
  if (channels.length === 1 || audio.length < 2) return { audio, remark: "" };
  const together = thirdOctaves(audio);
  const bands = channels.map((channel) => thirdOctaves(Float64Array.from(channel)));
  const each = together.map((_, band) => mean(bands.map((one) => one[band])));
  const least = 0.01 * Math.max(...each);
  const kept = CANCELLED / channels.length;
  if (each.every((value, band) => value <= least || together[band] >= kept * value)) return { audio, remark: "" };
  const powers = channels.map((channel) => channel.reduce((sum, value) => sum + value * value, 0));
  const loudest = powers.indexOf(Math.max(...powers));
  const remark = `channels cancel out, channel ${loudest + 1} of ${channels.length} used`;
  return { audio: Float64Array.from(channels[loudest]), remark };
}

/** @param {Float64Array} audio */
function thirdOctaves(audio) {
  const offset = mean(audio);
  const bins = power(audio.map((value) => value - offset));
  const edges = [...new Set(Array.from({ length: 31 }, (_, index) => Math.floor(bins.length * 2 ** ((index - 30) / 3))))];
  return edges.slice(0, -1).map((edge, index) => bins.subarray(edge, edges[index + 1]).reduce((sum, value) => sum + value, 0));
}

/**
 * Return the sample at which the note begins, a little before it first nears its peak.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 * @param {number} noiseLevel
 */
export function findOnset(audio, sampleRate, noiseLevel = 0) {
  let peak = 0;
  for (let index = 0; index < audio.length; index++) peak = Math.max(peak, Math.abs(audio[index]));
  if (peak < 1e-9) return 0;
  const least = Math.max(peak * 10 ** (ONSET_DB / 20), 4 * noiseLevel);
  const events = [];
  let last = -Infinity;
  for (let index = 0; index < audio.length; index++) {
    if (Math.abs(audio[index]) < least) continue;
    if (index - last > EVENT_SECONDS * sampleRate) events.push({ start: index, end: index });
    events[events.length - 1].end = last = index;
  }
  if (!events.length) return 0;
  const weights = events.map(({ start, end }) => {
    let energy = 0;
    for (let index = start; index <= end; index++) energy += audio[index] ** 2;
    return energy * (end - start + 1);
  });
  const first = weights.findIndex((weight) => weight >= EVENT_WEIGHT * Math.max(...weights));
  return Math.max(events[first].start - Math.round(ONSET_SECONDS * sampleRate), 0);
}

/**
 * Scale a note to the level of NSynth's notes.
 * @param {Float32Array} audio
 */
export function setLevel(audio) {
  const peak = audio.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!peak) return { audio, remarks: [] };
  const decibels = 20 * Math.log10(peak);
  const remarks = [];
  if (decibels < QUIET_DB) remarks.push(`quiet: peaks at ${decibels.toFixed(1)} dB of full scale, expected at least ${QUIET_DB}`);
  else if (PEAK_DB - decibels > RAISED_DB) remarks.push(`level raised by ${(PEAK_DB - decibels).toFixed(0)} dB`);
  // In float32, as numpy multiplies: one bit of a note can change how the encoder rounds, and z by 0.05.
  const gain = Math.fround(10 ** (PEAK_DB / 20) / peak);
  return { audio: audio.map((value) => value * gain), remarks };
}
