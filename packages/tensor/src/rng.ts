/**
 * Random numbers that are the same on every backend and every machine: Philox4x32-10, a counter-based
 * generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), computed on the host.
 *
 * A stream is a key; a draw is a position in it. So the whole state is {key, counter}, streams of different
 * names are independent, and drawing more from one never shifts another.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tensor, util } from '@tensorflow/tfjs-core';
import { checkValue, SpectraError } from './errors.ts';
import { normalQuantile } from './normal-quantile.ts';
import { philox4x32 } from './philox.ts';

/** Everything a stream is; plain JSON. */
export interface RngState {
  readonly key: readonly [number, number];
  /** How many 32-bit words were drawn. */
  readonly counter: number;
}

/** The counter word that keeps derived keys apart from drawn numbers. */
const SPLIT = 0x53504c54;
const TWO_32 = 2 ** 32;

export class Rng {
  /** Whether it draws nothing: `BlankRng`. */
  readonly blank: boolean = false;
  private readonly key: readonly [number, number];
  private counter: number;
  /** The block of four words that `counter` lies in. */
  private readonly block = new Uint32Array(4);
  private blockIndex = -1;

  /** @param seed an integer in [0, 2^53), or a state to go on from. */
  constructor(seed: number | RngState) {
    if (typeof seed === 'number') {
      checkValue(
        Number.isSafeInteger(seed) && seed >= 0,
        `a seed is an integer of 0 … 2^53, got ${seed}.`,
        'Rng',
      );
      this.key = [seed >>> 0, Math.floor(seed / TWO_32)];
      this.counter = 0;
    } else {
      const [a, b] = seed.key;
      checkValue(isWord(a) && isWord(b), 'a key is two integers of 0 … 2^32.', 'Rng');
      checkValue(
        Number.isSafeInteger(seed.counter) && seed.counter >= 0,
        'a counter is a whole number.',
        'Rng',
      );
      this.key = [a, b];
      this.counter = seed.counter;
    }
  }

  /** What a checkpoint keeps; `new Rng(state)` goes on from exactly here. */
  state(): RngState {
    return { key: [this.key[0], this.key[1]], counter: this.counter };
  }

  /** The independent stream of this name; the same whatever was drawn here before. */
  split(name: string, index = 0): Rng {
    checkValue(isWord(index), `a stream's index is an integer of 0 … 2^32, got ${index}.`, 'Rng.split');
    const out = new Uint32Array(4);
    const [low, high] = hashName(name);
    philox4x32(low, high, index, SPLIT, this.key[0], this.key[1], out);
    return new Rng({ key: [out[0]!, out[1]!], counter: 0 });
  }

  /** A 32-bit word, 0 … 2^32 − 1. */
  uint32(): number {
    const index = Math.floor(this.counter / 4);
    if (index !== this.blockIndex) {
      philox4x32(index >>> 0, Math.floor(index / TWO_32), 0, 0, this.key[0], this.key[1], this.block);
      this.blockIndex = index;
    }
    return this.block[this.counter++ % 4]!;
  }

  /** Uniform in [low, high) with 53 bits; two words. */
  uniform(low = 0, high = 1): number {
    const a = this.uint32() >>> 5;
    const b = this.uint32() >>> 6;
    return low + (high - low) * ((a * 2 ** 26 + b) * 2 ** -53);
  }

  /** Normal; one word, so that |value − mean| ≤ 6.3 deviations. */
  normal(mean = 0, deviation = 1): number {
    return mean + deviation * normalQuantile((this.uint32() + 0.5) / TWO_32);
  }

  /** An unbiased integer of 0 … n − 1, n ≤ 2^32. */
  integer(n: number): number {
    checkValue(
      Number.isInteger(n) && n > 0 && n <= TWO_32,
      `n is an integer of 1 … 2^32, got ${n}.`,
      'Rng.integer',
    );
    const limit = TWO_32 - (TWO_32 % n);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % n;
    }
  }

  /** Shuffles in place (Fisher–Yates) and returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const item = items[i];
      items[i] = items[j];
      items[j] = item;
    }
    return items;
  }

  /** A random order of 0 … n − 1. */
  permutation(n: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  }

  /** An index with probability proportional to its weight. */
  choice(weights: ArrayLike<number>): number {
    let total = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      checkValue(weight >= 0 && weight < Infinity, `weight ${i} is ${weight}.`, 'Rng.choice');
      total += weight;
    }
    checkValue(total > 0, 'every weight is 0.', 'Rng.choice', 'Give at least one positive weight.');
    let left = this.uniform(0, total);
    let last = 0;
    for (let i = 0; i < weights.length; i++) {
      if (weights[i]! === 0) continue;
      last = i;
      left -= weights[i]!;
      if (left < 0) return i;
    }
    return last; // rounding used up the total
  }

  /** Fills with uniform numbers of [low, high), 24 bits, one word each; returns its argument. */
  fillUniform(out: Float32Array, low = 0, high = 1): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = low + (high - low) * ((this.uint32() >>> 8) * 2 ** -24);
    return out;
  }

  /** Fills with normal numbers, one word each; returns its argument. */
  fillNormal(out: Float32Array, mean = 0, deviation = 1): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = this.normal(mean, deviation);
    return out;
  }

  /** A float32 tensor of normal numbers; the caller owns it. */
  normalTensor(shape: readonly number[], mean = 0, deviation = 1): Tensor {
    return tensor(this.fillNormal(new Float32Array(sizeOf(shape)), mean, deviation), [...shape], 'float32');
  }

  /** A float32 tensor of uniform numbers of [low, high); the caller owns it. */
  uniformTensor(shape: readonly number[], low = 0, high = 1): Tensor {
    return tensor(this.fillUniform(new Float32Array(sizeOf(shape)), low, high), [...shape], 'float32');
  }
}

function isWord(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < TWO_32;
}

function sizeOf(shape: readonly number[]): number {
  if (shape.some(size => !Number.isInteger(size) || size < 0)) {
    throw new SpectraError('SHAPE', { message: `[${shape.join(', ')}] is no shape.`, where: 'Rng' });
  }
  return util.sizeFromShape([...shape]);
}

/** FNV-1a of the name's UTF-8 bytes, 64 bits as two words. */
function hashName(name: string): [number, number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)];
}
