/** Fourier transforms of real signals, in float64. */

/** @type {Map<number, {cosine: Float64Array, sine: Float64Array, reversed: Uint32Array}>} */
const tables = new Map();

/**
 * @param {number} size a power of two
 */
function tablesOf(size) {
  let found = tables.get(size);
  if (!found) {
    const reversed = new Uint32Array(size);
    for (let index = 1; index < size; index++) reversed[index] = (reversed[index >> 1] >> 1) | (index & 1 ? size >> 1 : 0);
    const angles = Float64Array.from({ length: size / 2 }, (_, index) => (-2 * Math.PI * index) / size);
    found = { cosine: angles.map(Math.cos), sine: angles.map(Math.sin), reversed };
    tables.set(size, found);
  }
  return found;
}

/**
 * Transform a complex signal in place, by decimation in time (Cooley and Tukey 1965).
 * @param {Float64Array} real of a power of two
 * @param {Float64Array} imaginary
 */
export function transform(real, imaginary) {
  const size = real.length;
  if (size < 2) return;
  const { cosine, sine, reversed } = tablesOf(size);
  for (let index = 0; index < size; index++) {
    const other = reversed[index];
    if (other > index) {
      [real[index], real[other]] = [real[other], real[index]];
      [imaginary[index], imaginary[other]] = [imaginary[other], imaginary[index]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    const stride = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let index = 0; index < half; index++) {
        const low = start + index;
        const high = low + half;
        const c = cosine[index * stride];
        const s = sine[index * stride];
        const re = real[high] * c - imaginary[high] * s;
        const im = real[high] * s + imaginary[high] * c;
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}

/**
 * Return the one-sided spectrum of a real signal, padded with zeros to a size.
 * @param {ArrayLike<number>} signal
 * @param {number} size a power of two, no less than the signal's
 * @returns {{real: Float64Array, imaginary: Float64Array}} `[size / 2 + 1]` each
 */
export function rfft(signal, size = signal.length) {
  // Even samples as the real part, odd ones as the imaginary part: a transform of half the size.
  const half = size / 2;
  const real = new Float64Array(half);
  const imaginary = new Float64Array(half);
  for (let index = 0; 2 * index < signal.length; index++) {
    real[index] = signal[2 * index];
    imaginary[index] = signal[2 * index + 1] ?? 0;
  }
  transform(real, imaginary);
  const spectrum = { real: new Float64Array(half + 1), imaginary: new Float64Array(half + 1) };
  const { cosine, sine } = tablesOf(size);
  for (let bin = 0; bin <= half; bin++) {
    const here = bin % half;
    const mirrored = (half - bin) % half;
    const evenReal = (real[here] + real[mirrored]) / 2;
    const evenImaginary = (imaginary[here] - imaginary[mirrored]) / 2;
    const oddReal = (imaginary[here] + imaginary[mirrored]) / 2;
    const oddImaginary = (real[mirrored] - real[here]) / 2;
    const c = bin === half ? -1 : cosine[bin];
    const s = bin === half ? 0 : sine[bin];
    spectrum.real[bin] = evenReal + oddReal * c - oddImaginary * s;
    spectrum.imaginary[bin] = evenImaginary + oddReal * s + oddImaginary * c;
  }
  return spectrum;
}

/**
 * Return the real signal of a one-sided spectrum.
 * @param {{real: Float64Array, imaginary: Float64Array}} spectrum `[size / 2 + 1]` each
 * @returns {Float64Array} `[size]`
 */
export function irfft(spectrum) {
  const half = spectrum.real.length - 1;
  const size = 2 * half;
  const { cosine, sine } = tablesOf(size);
  const real = new Float64Array(half);
  const imaginary = new Float64Array(half);
  for (let bin = 0; bin < half; bin++) {
    const mirrored = half - bin;
    const evenReal = (spectrum.real[bin] + spectrum.real[mirrored]) / 2;
    const evenImaginary = (spectrum.imaginary[bin] - spectrum.imaginary[mirrored]) / 2;
    const differenceReal = (spectrum.real[bin] - spectrum.real[mirrored]) / 2;
    const differenceImaginary = (spectrum.imaginary[bin] + spectrum.imaginary[mirrored]) / 2;
    const oddReal = differenceReal * cosine[bin] + differenceImaginary * sine[bin];
    const oddImaginary = differenceImaginary * cosine[bin] - differenceReal * sine[bin];
    // The inverse is the transform of the conjugate.
    real[bin] = evenReal - oddImaginary;
    imaginary[bin] = -(evenImaginary + oddReal);
  }
  transform(real, imaginary);
  const signal = new Float64Array(size);
  for (let index = 0; index < half; index++) {
    signal[2 * index] = real[index] / half;
    signal[2 * index + 1] = -imaginary[index] / half;
  }
  return signal;
}

/**
 * Return the smallest power of two that is no less.
 * @param {number} count
 */
export function powerOfTwo(count) {
  return 2 ** Math.ceil(Math.log2(count));
}

/**
 * Return the periodic Hann window.
 * @param {number} length
 */
export function hann(length) {
  return Float64Array.from({ length }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / length));
}

/**
 * Return the power spectrum of frames, `[bins]` each, of any length, by a table of the transform's angles if it is no
 * power of two.
 * @param {Float64Array} frame
 */
export function power(frame) {
  const size = frame.length;
  if (size === powerOfTwo(size)) {
    const { real, imaginary } = rfft(frame);
    return real.map((value, bin) => value * value + imaginary[bin] * imaginary[bin]);
  }
  const { real, imaginary } = bluestein(frame);
  return Float64Array.from({ length: (size >> 1) + 1 }, (_, bin) => real[bin] ** 2 + imaginary[bin] ** 2);
}

/**
 * Transform a real signal of any length: Bluestein 1970, "A linear filtering approach to the computation of the
 * discrete Fourier transform".
 * @param {Float64Array} signal
 */
function bluestein(signal) {
  const count = signal.length;
  const size = powerOfTwo(2 * count - 1);
  // k^2 modulo 2n: the angle of a large k^2 would lose digits.
  const angle = (/** @type {number} */ k) => (Math.PI * ((k * k) % (2 * count))) / count;
  const [real, imaginary, chirpReal, chirpImaginary] = [0, 0, 0, 0].map(() => new Float64Array(size));
  for (let k = 0; k < count; k++) {
    real[k] = signal[k] * Math.cos(angle(k));
    imaginary[k] = -signal[k] * Math.sin(angle(k));
    chirpReal[k] = chirpReal[(size - k) % size] = Math.cos(angle(k));
    chirpImaginary[k] = chirpImaginary[(size - k) % size] = Math.sin(angle(k));
  }
  transform(real, imaginary);
  transform(chirpReal, chirpImaginary);
  for (let bin = 0; bin < size; bin++) {
    const re = real[bin] * chirpReal[bin] - imaginary[bin] * chirpImaginary[bin];
    const im = real[bin] * chirpImaginary[bin] + imaginary[bin] * chirpReal[bin];
    [real[bin], imaginary[bin]] = [re, -im];
  }
  transform(real, imaginary);
  for (let k = 0; k < count; k++) {
    const [re, im] = [real[k] / size, -imaginary[k] / size];
    real[k] = re * Math.cos(angle(k)) + im * Math.sin(angle(k));
    imaginary[k] = im * Math.cos(angle(k)) - re * Math.sin(angle(k));
  }
  return { real, imaginary };
}
