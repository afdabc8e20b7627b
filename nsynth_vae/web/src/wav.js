/** WAV files: read at their own precision, and written with 16 bits as `instruments/sfz.wav_bytes` does. */

/**
 * Return the channels of a WAV file of integers or floats; null for other files.
 *
 * Browsers decode them as well, but Chromium divides 16-bit samples by 32,767 where they are positive.
 * @param {Uint8Array} bytes
 * @returns {{channels: Float32Array[], sampleRate: number} | null}
 */
export function readWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (/** @type {number} */ place) => String.fromCharCode(...bytes.subarray(place, place + 4));
  if (bytes.length < 44 || text(0) !== "RIFF" || text(8) !== "WAVE") return null;
  let [kind, count, sampleRate, bits] = [0, 0, 0, 0];
  for (let place = 12; place + 8 <= bytes.length; ) {
    const size = view.getUint32(place + 4, true);
    const start = place + 8;
    if (text(place) === "fmt ") {
      [kind, count, bits] = [0, 2, 14].map((offset) => view.getUint16(start + offset, true));
      sampleRate = view.getUint32(start + 4, true);
      // The extensible form has the kind in its subformat.
      if (kind === 0xfffe && size >= 26) kind = view.getUint16(start + 24, true);
    } else if (text(place) === "data" && count) {
      const read = reader(view, kind, bits);
      if (!read) return null;
      const width = bits / 8;
      const frames = Math.floor(Math.min(size, bytes.length - start) / (width * count));
      const channels = Array.from({ length: count }, (_, channel) =>
        Float32Array.from({ length: frames }, (_, index) => read(start + (index * count + channel) * width)),
      );
      return { channels, sampleRate };
    }
    place = start + size + (size & 1);
  }
  return null;
}

/**
 * @param {DataView} view
 * @param {number} kind 1 for integers, 3 for floats
 * @param {number} bits
 * @returns {((place: number) => number) | null} sample at a byte
 */
function reader(view, kind, bits) {
  if (kind === 3 && bits === 32) return (place) => view.getFloat32(place, true);
  if (kind === 3 && bits === 64) return (place) => view.getFloat64(place, true);
  if (kind !== 1) return null;
  if (bits === 8) return (place) => view.getUint8(place) / 128 - 1;
  if (bits === 16) return (place) => view.getInt16(place, true) / 32768;
  if (bits === 24) return (place) => (view.getInt8(place + 2) * 65536 + view.getUint16(place, true)) / 8388608;
  return bits === 32 ? (place) => view.getInt32(place, true) / 2147483648 : null;
}

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
