/** Entropy of each row of P and its gradient: one logarithm an entry, so about 30 operations on 4 bytes read. */
import { loadPart, log4, storePart } from '../../../../tensor/src/kernels/wasm/math.as';
import { sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { at } from './rows.as';

/** Floats e … e+3 of a row of E, zeros past its end. */
@inline function read(row: usize, e: i32, E: i32): v128 {
  return e + 4 <= E ? v128.load(at(row, e)) : loadPart(at(row, e), E - e);
}

/** log p, and 0 where p ≤ 0. */
@inline function logOf(p: v128, positive: v128): v128 {
  return v128.and(log4(v128.bitselect(p, f32x4.splat(1), positive)), positive);
}

/** p [N,E] → −Σ_e p·log p [N]. */
export function rowEntropy(N: i32, E: i32, p: usize, out: usize): void {
  const zero = f32x4.splat(0);
  for (let t = 0; t < N; t++) {
    let sum = zero;
    for (let e = 0; e < E; e += 4) {
      const v = read(at(p, t * E), e, E);
      sum = f32x4.sub(sum, f32x4.mul(v, logOf(v, f32x4.gt(v, zero))));
    }
    store<f32>(at(out, t), sumLanes(sum));
  }
}

/** −(log p + 1)·dy, 0 where p ≤ 0. */
export function rowEntropyGradient(N: i32, E: i32, p: usize, dy: usize, dp: usize): void {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  for (let t = 0; t < N; t++) {
    const factor = f32x4.splat(-load<f32>(at(dy, t)));
    for (let e = 0; e < E; e += 4) {
      const v = read(at(p, t * E), e, E);
      const positive = f32x4.gt(v, zero);
      const d = f32x4.mul(factor, v128.and(f32x4.add(logOf(v, positive), one), positive));
      const to = at(dp, t * E + e);
      if (e + 4 <= E) v128.store(to, d);
      else storePart(to, d, E - e);
    }
  }
}
