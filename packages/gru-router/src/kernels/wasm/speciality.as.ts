/**
 * Σ_{i≠e} ⟨R_i, R_e⟩² of each token's E routing vectors of width D.
 *
 * With E ≤ D the pairs are taken, four at a time so that they share a sum over lanes. Otherwise ‖RRᵀ‖²_F = ‖RᵀR‖²_F saves
 * work: the sum over all pairs is that of the D×D side, less the diagonal Σ_e ‖R_e‖⁴. A token's rows stay in the L1 cache:
 * min(E, D)/2 multiplications a float.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { addMultiple, dot, multiple, rowDots } from './rows.as';

/** Bytes of scratch. */
export function specialityWork(E: i32, D: i32): i32 {
  return D < E ? D * D * 4 : E * 4;
}

/** work[D,D] = RᵀR */
function innerGram(E: i32, D: i32, r: usize, work: usize): void {
  const step = <usize>D << 2;
  memory.fill(work, 0, <usize>D * step);
  for (let e = 0; e < E; e++) {
    for (let d = 0; d < D; d++) addMultiple(work + <usize>d * step, load<f32>(r + (<usize>d << 2)), r, D);
    r += step;
  }
}

export function speciality(tokens: i32, E: i32, D: i32, r: usize, out: usize, work: usize): void {
  const step = <usize>D << 2;
  for (let t = 0; t < tokens; t++) {
    let sum: f32 = 0;
    if (D < E) {
      innerGram(E, D, r, work);
      sum = dot(work, work, D * D);
      for (let e = 0; e < E; e++) {
        const square = dot(r + <usize>e * step, r + <usize>e * step, D);
        sum -= square * square;
      }
    } else {
      for (let i = 1; i < E; i++) {
        rowDots(i, D, r + <usize>i * step, 0, r, step, work);
        sum += 2 * dot(work, work, i);
      }
    }
    store<f32>(out, sum);
    out += 4;
    r += <usize>E * step;
  }
}

/** y = Σ_e factors_e·r_e over E rows of D floats. */
@inline function combination(y: usize, factors: usize, r: usize, E: i32, D: i32): void {
  const step = <usize>D << 2;
  let d: usize = 0;
  for (; d + 64 <= step; d += 64) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    let row = r + d;
    for (let e = 0; e < E; e++) {
      const factor = v128.load32_splat(factors + (<usize>e << 2));
      s0 = madd(factor, v128.load(row), s0); s1 = madd(factor, v128.load(row, 16), s1);
      s2 = madd(factor, v128.load(row, 32), s2); s3 = madd(factor, v128.load(row, 48), s3);
      row += step;
    }
    v128.store(y + d, s0); v128.store(y + d, s1, 16); v128.store(y + d, s2, 32); v128.store(y + d, s3, 48);
  }
  for (; d + 16 <= step; d += 16) {
    let sum = f32x4.splat(0);
    let row = r + d;
    for (let e = 0; e < E; e++) {
      sum = madd(v128.load32_splat(factors + (<usize>e << 2)), v128.load(row), sum);
      row += step;
    }
    v128.store(y + d, sum);
  }
  for (; d < step; d += 4) {
    let sum: f32 = 0;
    for (let e = 0; e < E; e++) sum += load<f32>(factors + (<usize>e << 2)) * load<f32>(r + <usize>e * step + d);
    store<f32>(y + d, sum);
  }
}

/** dR_i = 4·dy·Σ_{e≠i} ⟨R_i, R_e⟩ R_e */
export function specialityBackward(
  tokens: i32, E: i32, D: i32, r: usize, dy: usize, dR: usize, work: usize,
): void {
  const step = <usize>D << 2;
  const token = <usize>E * step;
  for (let t = 0; t < tokens; t++) {
    const factor: f32 = 4 * load<f32>(dy);
    if (factor == 0) {
      memory.fill(dR, 0, token);
    } else if (D < E) {
      innerGram(E, D, r, work);
      for (let e = 0; e < E; e++) {
        const row = r + <usize>e * step, dRow = dR + <usize>e * step;
        multiple(dRow, -factor * dot(row, row, D), row, D);
        for (let d = 0; d < D; d++) {
          addMultiple(dRow, factor * load<f32>(row + (<usize>d << 2)), work + <usize>d * step, D);
        }
      }
    } else {
      for (let i = 0; i < E; i++) {
        rowDots(E, D, r + <usize>i * step, 0, r, step, work);
        store<f32>(work + (<usize>i << 2), 0);
        multiple(work, factor, work, E);
        combination(dR + <usize>i * step, work, r, E, D);
      }
    }
    dy += 4;
    r += token;
    dR += token;
  }
}
