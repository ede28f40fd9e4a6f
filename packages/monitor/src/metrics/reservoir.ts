import { checkValue, Rng } from '@spectra/tensor';

/**
 * A uniform sample of at most `capacity` labelled points of a stream, in memory that does not grow with it. Vitter
 * (1985), algorithm R. What it holds depends on the seed and the stream, not on how the stream is cut in batches.
 */
export class Reservoir {
  readonly capacity: number;
  readonly width: number;
  /** Points offered so far. */
  seen = 0;
  #points: Float64Array;
  readonly #labels: Int32Array;
  readonly #random: Rng;

  constructor(capacity: number, width: number, seed: number) {
    checkValue(
      Number.isInteger(capacity) && capacity > 0,
      `capacity must be positive, got ${capacity}.`,
      'Reservoir',
    );
    this.capacity = capacity;
    this.width = width;
    this.#points = new Float64Array(Math.min(capacity, 64) * width);
    this.#labels = new Int32Array(capacity);
    this.#random = new Rng(seed);
  }

  /** Offers the point `data[offset … offset + width)`. */
  add(data: ArrayLike<number>, offset: number, label: number): void {
    const { capacity, width, seen } = this;
    const slot = seen < capacity ? seen : this.#random.integer(seen + 1);
    this.seen++;
    if (slot >= capacity) return;
    if ((slot + 1) * width > this.#points.length) {
      const grown = new Float64Array(Math.min(capacity * width, 2 * this.#points.length));
      grown.set(this.#points);
      this.#points = grown;
    }
    for (let d = 0; d < width; d++) this.#points[slot * width + d] = data[offset + d]!;
    this.#labels[slot] = label;
  }

  get size(): number {
    return Math.min(this.seen, this.capacity);
  }

  /** [size,width], a view. */
  get points(): Float64Array {
    return this.#points.subarray(0, this.size * this.width);
  }

  /** [size], a view. */
  get labels(): Int32Array {
    return this.#labels.subarray(0, this.size);
  }
}
