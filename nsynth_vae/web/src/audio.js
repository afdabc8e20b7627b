/** The page's audio: the sampler's thread, the analyser, and recordings of what is played. */

/** Seconds of a recording, at most: half an hour at 48 kHz is 350 MB of floats. */
const LONGEST_RECORDING = 600;

/** The sound output; it starts at the first gesture, as browsers demand. */
export class Output {
  /**
   * @param {AudioContext} context
   * @param {AudioWorkletNode} node
   */
  constructor(context, node) {
    this.context = context;
    this.node = node;
    this.analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0.3, minDecibels: -90, maxDecibels: -20 });
    node.connect(this.analyser);
    node.connect(context.destination);
    /** @type {Float32Array[] | null} */
    this.recorded = null;
    /** @type {(id: number) => void} */
    this.onEnded = () => {};
    /** @type {(id: number) => void} */
    this.onSounding = () => {};
    node.port.onmessage = ({ data }) => {
      if (data.type === "ended") this.onEnded(data.id);
      else if (data.type === "sounding") this.onSounding(data.id);
      else if (this.recorded && this.recorded.length * data.audio.length < LONGEST_RECORDING * context.sampleRate) {
        this.recorded.push(data.audio);
      }
    };
  }

  /**
   * @param {string} worklet source of the sampler's thread
   * @param {number} sampleRate of the notes
   * @param {number} [rate] of the output; by default the device's
   */
  static async open(worklet, sampleRate, rate) {
    const context = new AudioContext({ latencyHint: "interactive", ...(rate ? { sampleRate: rate } : {}) });
    // A page that is a file may not load modules from blobs, but from its own text.
    await context.audioWorklet.addModule(`data:text/javascript;base64,${btoa(worklet)}`);
    const options = { numberOfInputs: 0, outputChannelCount: [2], processorOptions: { sampleRate } };
    return new Output(context, new AudioWorkletNode(context, "nsynth-vae-sampler", options));
  }

  /** @param {object} message */
  send(message) {
    if (this.context.state !== "running") this.context.resume().catch(() => {});
    this.node.port.postMessage(message);
  }

  /** Begin a recording. */
  record() {
    this.recorded = [];
    this.send({ type: "record", on: true });
  }

  /**
   * End the recording.
   * @returns {Float32Array}
   */
  stop() {
    this.send({ type: "record", on: false });
    const parts = this.recorded ?? [];
    this.recorded = null;
    const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let place = 0;
    for (const part of parts) {
      whole.set(part, place);
      place += part.length;
    }
    return whole;
  }
}
