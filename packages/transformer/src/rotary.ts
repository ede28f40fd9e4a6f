/**
 * Rotary position embedding (Su et al. 2021), half-split: channel i of a head is turned together with channel
 * i + d/2 by the angle position · f_i.
 *
 * The tables of cos and sin are made on the host in float64: WGSL promises an accurate cosine only within
 * [−π, π], and float32 angles lose digits at late positions.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { RopeScaling } from './config.ts';

/**
 * The d/2 angular frequencies of a head of width d, in radians per position: θ^(−2i/d), scaled.
 * `llama3`: with n = L₀·f/2π turns within the original context L₀, f/factor where n < low, f where n > high, and
 * between them (1−t)·f/factor + t·f with t = (n − low)/(high − low).
 */
export function inverseFrequencies(headDim: number, theta: number, scaling?: RopeScaling): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => scale(theta ** ((-2 * i) / headDim), scaling));
}

function scale(frequency: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.rope_type === 'linear') return slow;
  const { low_freq_factor: low, high_freq_factor: high } = scaling;
  const turns = (scaling.original_max_position_embeddings * frequency) / (2 * Math.PI);
  const t = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return (1 - t) * slow + t * frequency;
}

/** Cosines and sines of a batch of positions, each [B,S,d/2] (or [1,S,d/2], equal in all rows). */
export interface Rotation {
  readonly cos: tf.Tensor3D;
  readonly sin: tf.Tensor3D;
}

/** Tables of cos and sin over positions, grown on demand and kept on the device until `dispose`. */
export class RotaryTable {
  readonly frequencies: Float64Array;
  private length = 0;
  private tables: { cos: tf.Tensor2D; sin: tf.Tensor2D } | undefined;

  constructor(headDim: number, theta: number, scaling?: RopeScaling) {
    this.frequencies = inverseFrequencies(headDim, theta, scaling);
  }

  /** The rotation of positions start … start + count − 1, one for all rows. The caller owns it. */
  range(start: number, count: number): Rotation {
    const { cos, sin } = this.upTo(start + count);
    const half = this.frequencies.length;
    const rows = (table: tf.Tensor2D): tf.Tensor3D =>
      tf.expandDims(tf.slice(table, [start, 0], [count, half]), 0) as tf.Tensor3D;
    return { cos: rows(cos), sin: rows(sin) };
  }

  /** The rotation of `positions` [B,S] int32, all in [0, limit). The caller owns it. */
  at(positions: tf.Tensor2D, limit: number): Rotation {
    const { cos, sin } = this.upTo(limit);
    return {
      cos: tf.gather(cos, positions) as unknown as tf.Tensor3D,
      sin: tf.gather(sin, positions) as unknown as tf.Tensor3D,
    };
  }

  private upTo(limit: number): { cos: tf.Tensor2D; sin: tf.Tensor2D } {
    if (this.tables !== undefined && this.length >= limit) return this.tables;
    const half = this.frequencies.length;
    const length = Math.max(64, 2 ** Math.ceil(Math.log2(limit)));
    const table = (f: (angle: number) => number): tf.Tensor2D => {
      const values = new Float32Array(length * half);
      for (let p = 0; p < length; p++) {
        for (let i = 0; i < half; i++) values[p * half + i] = f(p * this.frequencies[i]!);
      }
      return tf.keep(tf.tensor2d(values, [length, half]));
    };
    this.dispose();
    this.tables = { cos: table(Math.cos), sin: table(Math.sin) };
    this.length = length;
    return this.tables;
  }

  dispose(): void {
    this.tables?.cos.dispose();
    this.tables?.sin.dispose();
    this.tables = undefined;
    this.length = 0;
  }
}
