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
const [PHRASE_SECONDS, PHRASE_ENERGY] = [0.2, 0.5];
const [COUNT_IN, COUNT_SECONDS, COUNT_SPREAD] = [3, 0.15, 16];
const [COUNT_DRIFT, COUNT_LONGER, COUNT_HEAVIER] = [0.1, 2, 4];

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
  const onset = findOnset(audio, sampleRate, noiseLevel);
  const phrase = phraseOf(audio.subarray(onset), sampleRate, noiseLevel);
  return { audio: Float32Array.from(audio), onset, remarks: [folded.remark, offset.remark, hum, noise, phrase].filter(Boolean) };
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
  const all = eventsOf(audio, sampleRate, noiseLevel);
  if (!all.length) return 0;
  const most = Math.max(...all.map(({ weight }) => weight));
  const heavy = all.findIndex(({ weight }) => weight >= EVENT_WEIGHT * most);
  const first = Math.max(heavy, countIn(all));
  return Math.max(Math.round(all[first].start * sampleRate) - Math.round(ONSET_SECONDS * sampleRate), 0);
}

/**
 * Return sounds with silence between them: start and end, s, energy, and that times length.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 * @param {number} noiseLevel
 */
function eventsOf(audio, sampleRate, noiseLevel) {
  let peak = 0;
  for (let index = 0; index < audio.length; index++) peak = Math.max(peak, Math.abs(audio[index]));
  if (peak < 1e-9) return [];
  const least = Math.max(peak * 10 ** (ONSET_DB / 20), 4 * noiseLevel);
  const events = [];
  let last = -Infinity;
  for (let index = 0; index < audio.length; index++) {
    if (Math.abs(audio[index]) < least) continue;
    if (index - last > EVENT_SECONDS * sampleRate) events.push({ start: index, end: index });
    events[events.length - 1].end = last = index;
  }
  return events.map(({ start, end }) => {
    let energy = 0;
    for (let index = start; index <= end; index++) energy += audio[index] ** 2;
    const seconds = (end - start + 1) / sampleRate;
    return { start: start / sampleRate, end: end / sampleRate, seconds, energy, weight: energy * seconds };
  });
}

/**
 * Return what is to be said of a sound, from its onset on, that is more than a note.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 * @param {number} noiseLevel
 */
function phraseOf(audio, sampleRate, noiseLevel) {
  const all = eventsOf(audio, sampleRate, noiseLevel);
  const heard = all.filter(({ energy }) => energy > PHRASE_ENERGY * all[0].energy);
  const count = heard.filter(({ start }, index) => !index || start - heard[index - 1].end > PHRASE_SECONDS).length;
  return count > 1 ? `${count} sounds with silence between them, the first is taken for the note` : "";
}

/**
 * Return how many of the first events are a count-in: short, alike, regular, and before one that is more than they.
 * @param {{start: number, seconds: number, energy: number, weight: number}[]} events
 */
function countIn(events) {
  for (let count = events.length - 1; count >= COUNT_IN; count--) {
    const clicks = events.slice(0, count);
    const energies = clicks.map(({ energy }) => energy);
    const beats = clicks.slice(1).map(({ start }, index) => start - clicks[index].start);
    const longest = Math.max(...clicks.map(({ seconds }) => seconds));
    const alike = Math.max(...energies) <= COUNT_SPREAD * Math.min(...energies) && longest <= COUNT_SECONDS;
    const regular = Math.max(...beats) - Math.min(...beats) <= COUNT_DRIFT * beats[0];
    const weights = Float64Array.from(clicks, ({ weight }) => weight).sort();
    const median = (weights[(count - 1) >> 1] + weights[count >> 1]) / 2;
    const heavier = events[count].weight >= COUNT_HEAVIER * median;
    if (alike && regular && (heavier || events[count].seconds >= COUNT_LONGER * longest)) return count;
  }
  return 0;
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
