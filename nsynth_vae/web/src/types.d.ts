/** Shapes of what modules hand to one another. */

/** A learnt direction of the latent space, with its effect at strength 1. */
export interface Direction {
  z: number[];
  /** The descriptor that it raises, in words; empty if it was learnt from a flag. */
  descriptor: string;
  unit: string;
  /** Median change of the descriptor at strength 1, in its unit; null where it was not measured. */
  change: number | null;
}

/** Gaussian mixture of latent vectors. */
export interface Mixture {
  weights: number[];
  means: number[][];
  standard_deviations: number[][];
}

/** A corner of the pad. */
export interface Corner {
  name: string;
  z: number[];
}

/** What `pad.py` writes into the page. */
export interface PadData {
  model: string;
  sample_rate: number;
  num_samples: number;
  latent_dim: number;
  largest_z: number;
  families: Record<string, number[]>;
  instruments: Record<string, number[]>;
  directions: Record<string, Direction>;
  not_learnt: Record<string, string>;
  /** Names that belong to a kind even where the model has no vector of them: name -> [kind, name]. */
  names: Record<string, [string, string]>;
  mixture: Mixture | null;
  corners: Corner[];
}

/** The loop by which a note is sustained. */
export interface Loop {
  kind: "sustained" | "decaying" | "over";
  /** First sample. */
  start: number;
  /** Sample after the last. */
  end: number;
  /** Change of level from start to end, dB a second. */
  slope: number;
}

/** What a voice plays: a decoded note in parts. */
export interface Playable {
  pitch: number;
  /** The note until its loop begins to repeat; the whole note while its loop is not known. */
  once: Float32Array;
  /** The part that is repeated; empty for a note that is over. */
  repeated: Float32Array;
  /** Fall of the repeated part, dB a second; 0 for sustained notes. */
  decay: number;
  /** The note's own release. */
  tail: Float32Array;
  /** Root mean square where the release begins. */
  tailLevel: number;
}

/** A note as the worker answers it. */
export interface DecodedNote {
  /** As decoded, or equalised. */
  audio: Float32Array;
  playable: Playable;
  loop: Loop;
  equalizer: { tilt: number; curvature: number } | null;
  milliseconds: number;
}

/** What decodes: a key names the timbre, the note and whether it is equalised. */
export interface NoteRequest {
  z: Float32Array;
  pitch: number;
  velocity: number;
  /** Weights and latent vectors of the corners, for the equaliser; null for what is played as decoded. */
  ends: { weights: number[]; z: Float32Array[] } | null;
}

declare global {
  interface Window {
    /** The instrument, for scripts and tests. */
    nsynthPad: any;
  }
}
