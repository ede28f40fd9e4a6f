/** The order in which pairs (token, expert) are considered: by falling score, ties by token, then by expert. */

const BITS = 11;
const BINS = 1 << BITS;
const PASSES = 3;

/**
 * The flat positions t·E + e of the given rows by falling score, ties by rising position: a stable radix sort of the
 * scores' bits, O(N·E). −0 and 0 are one score.
 */
export function fallingOrder(scores: Float32Array, experts: number, rows: Uint32Array): Uint32Array {
  const count = rows.length * experts;
  const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
  let keys = new Uint32Array(count);
  let order = new Uint32Array(count);
  const histogram = new Uint32Array(PASSES * BINS);
  let i = 0;
  for (const t of rows) {
    for (let flat = t * experts; flat < (t + 1) * experts; flat++, i++) {
      const key = fallingKey(bits[flat]!);
      keys[i] = key;
      order[i] = flat;
      histogram[key & (BINS - 1)]! += 1;
      histogram[BINS + ((key >>> BITS) & (BINS - 1))]! += 1;
      histogram[2 * BINS + (key >>> (2 * BITS))]! += 1;
    }
  }
  let otherKeys = new Uint32Array(count);
  let otherOrder = new Uint32Array(count);
  for (let pass = 0; pass < PASSES; pass++) {
    const bins = histogram.subarray(pass * BINS, (pass + 1) * BINS);
    if (!startsOf(bins, count)) continue;
    const shift = pass * BITS;
    for (let j = 0; j < count; j++) {
      const key = keys[j]!;
      const to = bins[(key >>> shift) & (BINS - 1)]!++;
      otherKeys[to] = key;
      otherOrder[to] = order[j]!;
    }
    [keys, otherKeys, order, otherOrder] = [otherKeys, keys, otherOrder, order];
  }
  return order;
}

/** Bits of a float32 as an unsigned integer that rises as the float falls. */
function fallingKey(bits: number): number {
  if (bits >>> 31 === 0) return (~bits & 0x7fffffff) >>> 0;
  return bits === 0x80000000 ? 0x7fffffff : bits;
}

/** Turns counts into start positions; false if one bin holds everything, which needs no pass. */
function startsOf(bins: Uint32Array, count: number): boolean {
  let start = 0;
  for (let b = 0; b < bins.length; b++) {
    const size = bins[b]!;
    if (size === count) return false;
    bins[b] = start;
    start += size;
  }
  return true;
}
