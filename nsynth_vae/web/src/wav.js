/** WAV files of 16 bits, one channel, as `instruments/sfz.wav_bytes` writes them. */

/**
 * @param {ArrayLike<number>} audio -1..1
 * @param {number} sampleRate
 * @param {{pitch: number, loop: [number, number] | null} | null} sampler key and loop (first and last sample), for samplers
 */
export function wavBytes(audio, sampleRate, sampler = null) {
  const samples = Int16Array.from(audio, (value) => roundSample(Math.max(-1, Math.min(1, value)) * 32767));
  const chunks = [
    chunk("fmt ", bytesOf(16, (view) => {
      [1, 1].forEach((value, index) => view.setUint16(2 * index, value, true));
      view.setUint32(4, sampleRate, true);
      view.setUint32(8, 2 * sampleRate, true);
      [2, 16].forEach((value, index) => view.setUint16(12 + 2 * index, value, true));
    })),
    chunk("data", bytesOf(2 * samples.length, (view) => samples.forEach((value, index) => view.setInt16(2 * index, value, true)))),
  ];
  if (sampler) {
    const { pitch, loop } = sampler;
    const numbers = [0, 0, Math.round(1e9 / sampleRate), pitch, 0, 0, 0, loop ? 1 : 0, 0, ...(loop ? [0, 0, ...loop, 0, 0] : [])];
    chunks.push(chunk("smpl", bytesOf(4 * numbers.length, (view) => numbers.forEach((value, index) => view.setUint32(4 * index, value, true)))));
  }
  const content = concatenate([new TextEncoder().encode("WAVE"), ...chunks]);
  return chunk("RIFF", content);
}

/**
 * Round halves to the even neighbour, as numpy does.
 * @param {number} value
 */
function roundSample(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor & 1) : Math.round(value);
}

/**
 * @param {string} name
 * @param {Uint8Array} content
 */
function chunk(name, content) {
  const size = bytesOf(4, (view) => view.setUint32(0, content.length, true));
  return concatenate([new TextEncoder().encode(name), size, content]);
}

/**
 * @param {number} length
 * @param {(view: DataView) => void} write
 */
export function bytesOf(length, write) {
  const bytes = new Uint8Array(length);
  write(new DataView(bytes.buffer));
  return bytes;
}

/**
 * @param {Uint8Array[]} parts
 */
export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
