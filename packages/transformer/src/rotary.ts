/**
 * Rotary position embedding (Su et al. 2021): channels of a head are turned in pairs by the angle position · f_i.
 *
 * The tables of cos and sin are made on the host in float64: WGSL promises an accurate cosine only within
 * [−π, π], and float32 angles lose digits at late positions.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { RotaryShape } from './architecture.ts';
import { amplitude, inverseFrequencies } from './rotary-frequencies.ts';

/** Cosines and sines of a batch of positions, each [B,S,d/2] (or [1,S,d/2], equal in all rows). */
export interface Rotation {
  readonly cos: tf.Tensor3D;
  readonly sin: tf.Tensor3D;
}

/** One table, [positions, d/2], on the host and on the device. */
interface Table {
  readonly values: Float32Array;
  readonly tensor: tf.Tensor2D;
}

interface Tables {
  readonly cos: Table;
  readonly sin: Table;
}

/** Tables of cos and sin over positions, grown on demand and kept on the device until `dispose`. */
export class RotaryTable {
  readonly shape: RotaryShape;
  private length = 0;
  private short: Tables | undefined;
  private long: Tables | undefined;

  constructor(shape: RotaryShape) {
    this.shape = shape;
  }

  /** The position from which on LongRoPE takes its other frequencies, for a whole batch; none for other kinds. */
  get switchesAt(): number | undefined {
    const { scaling } = this.shape;
    return scaling?.rope_type === 'longrope' ? scaling.original_max_position_embeddings : undefined;
  }

  /** The rotation of positions start … start + count − 1, one for all rows. The caller owns it. */
  range(start: number, count: number): Rotation {
    const end = start + count;
    this.grow(end);
    const tables = this.switchesAt !== undefined && end > this.switchesAt ? this.long! : this.short!;
    const half = this.shape.width / 2;
    // from the host: for a token to be decoded that takes less time than a slice
    const rows = ({ values }: Table): tf.Tensor3D =>
      tf.tensor3d(values.slice(start * half, end * half), [1, count, half]);
    return { cos: rows(tables.cos), sin: rows(tables.sin) };
  }

  /**
   * The rotation of `positions` [B,S] int32, all in [0, limit); `farthest` [] int32 is the largest position of the texts
   * they belong to, by default that of `positions`. The caller owns it.
   */
  at(positions: tf.Tensor2D, limit: number, farthest?: tf.Scalar): Rotation {
    this.grow(limit);
    const rows = ({ tensor }: Table): tf.Tensor3D => tf.gather(tensor, positions) as unknown as tf.Tensor3D;
    const pick = (name: 'cos' | 'sin'): tf.Tensor3D => {
      const short = rows(this.short![name]);
      if (this.long === undefined || this.switchesAt === undefined) return short;
      // the choice stays on the device: a position cannot be read back here
      const reached = tf.greaterEqual(farthest ?? tf.max(positions), tf.scalar(this.switchesAt, 'int32'));
      return tf.where<tf.Tensor>(reached, rows(this.long[name]), short) as tf.Tensor3D;
    };
    return tf.tidy(() => ({ cos: pick('cos'), sin: pick('sin') }));
  }

  private grow(limit: number): void {
    if (this.length >= limit) return;
    const length = Math.max(64, 2 ** Math.ceil(Math.log2(limit)));
    this.dispose();
    this.short = this.tables(length, 'short');
    if (this.switchesAt !== undefined) this.long = this.tables(length, 'long');
    this.length = length;
  }

  private tables(length: number, range: 'short' | 'long'): Tables {
    const { width, theta, scaling } = this.shape;
    const frequencies = inverseFrequencies(width, theta, scaling, range);
    const factor = amplitude(scaling);
    const half = width / 2;
    const table = (f: (angle: number) => number): Table => {
      const values = new Float32Array(length * half);
      for (let p = 0; p < length; p++) {
        for (let i = 0; i < half; i++) values[p * half + i] = factor * f(p * frequencies[i]!);
      }
      return { values, tensor: tf.keep(tf.tensor2d(values, [length, half])) };
    };
    return { cos: table(Math.cos), sin: table(Math.sin) };
  }

  dispose(): void {
    for (const tables of [this.short, this.long])
      tf.dispose(tables === undefined ? [] : [tables.cos.tensor, tables.sin.tensor]);
    this.short = undefined;
    this.long = undefined;
    this.length = 0;
  }
}
