/**
 * Σ_{i≠e} ⟨R_i, R_e⟩² of each token's E routing vectors of width D.
 *
 * With E ≤ D the pairs are taken one by one. Otherwise ‖RRᵀ‖²_F = ‖RᵀR‖²_F saves work: the sum over all pairs is
 * that of the D×D side, less the diagonal Σ_e ‖R_e‖⁴.
 */
import { addMultiple, dot, multiple } from './rows.as';

/** Bytes of scratch. */
export function specialityWork(E: i32, D: i32): i32 {
  return D < E ? D * D * 4 : 0;
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
        for (let e = 0; e < i; e++) {
          const c = dot(r + <usize>i * step, r + <usize>e * step, D);
          sum += 2 * c * c;
        }
      }
    }
    store<f32>(out, sum);
    out += 4;
    r += <usize>E * step;
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
      memory.fill(dR, 0, token);
      for (let i = 1; i < E; i++) {
        for (let e = 0; e < i; e++) {
          const c = factor * dot(r + <usize>i * step, r + <usize>e * step, D);
          addMultiple(dR + <usize>i * step, c, r + <usize>e * step, D);
          addMultiple(dR + <usize>e * step, c, r + <usize>i * step, D);
        }
      }
    }
    dy += 4;
    r += token;
    dR += token;
  }
}
