/**
 * All Sinkhorn steps of one group of experts in one call. A pass takes the column sums s of the row softmax of x + g; the
 * g step is then g ← g + log b − log s, so a step needs one pass over the matrix, and the first pass with exponentials
 * serves the steps after it (scaling.as.ts) unless float32's range forbids (log-domain.as.ts).
 */
import { CONSTANTS } from './kernel-row.as';
import { logPass, logPlan, packCosts, steppedPotential } from './log-domain.as';
import { ln } from './ln.as';
import { at, at8, b, CLOSED, n, padded, prepare, problemWork, totals, w, w8 } from './problem.as';
import { kernelPass, scaledPlan, scalingPass, scalings } from './scaling.as';

/** Bytes of working memory that `forward` needs. */
export function forwardWork(N: i32, width: i32, logs: bool): i32 {
  const matrix = logs || padded(width) != width ? N * padded(width) : 0;
  return problemWork(N, width) + 4 * (matrix + 3 * padded(width) + 3 * (N + 4)) + CONSTANTS + 64;
}

function columnError(): f64 {
  let worst: f64 = 0;
  for (let e = 0; e < w; e++) worst = max(worst, abs(load<f64>(at8(totals, e)) - load<f64>(at8(b, e))));
  return worst * <f64>w / <f64>n;
}

/** g [w8] at the start: in units of ε, closed where the expert is. */
function startPotentials(g: usize, start: usize, epsilon: f64): void {
  for (let e = 0; e < w8; e++) {
    const from: f32 = start == 0 || e >= w ? 0 : <f32>(<f64>load<f32>(at(start, e)) / epsilon);
    store<f32>(at(g, e), load<f64>(at8(b, e)) > 0 ? from : CLOSED);
  }
}

/** g less its mean over the open experts, −∞ at closed ones, to `potential`; returns the mean. */
function centred(g: usize, potential: usize): f64 {
  let centre: f64 = 0, opened: f64 = 0;
  for (let e = 0; e < w; e++) {
    if (load<f64>(at8(b, e)) == 0) continue;
    centre += <f64>load<f32>(at(g, e));
    opened += 1;
  }
  centre /= opened;
  for (let e = 0; e < w; e++) {
    const open = load<f64>(at8(b, e)) > 0;
    store<f32>(at(potential, e), open ? <f32>(<f64>load<f32>(at(g, e)) - centre) : <f32>-Infinity);
  }
  return centre;
}

/**
 * One group: `cost`, `plan` and `history` point at its first column in rows of `stride`; `f` at its column in rows of
 * `fStride`; `mass`, `start` (0 where not given) and `potential` at its first expert. `tolerance` < 0: none. Writes the
 * plan, f, g, the [iterations + 1] g vectors, the row and column error to `errors`, and returns the steps taken; −1 where
 * the scalings' range does not hold the problem, which then wants `logs`.
 */
export function forward(
  cost: usize, mask: usize, mass: usize, start: usize, plan: usize, f: usize, potential: usize, history: usize, errors: usize,
  work: usize, N: i32, stride: i32, fStride: i32, width: i32, epsilon: f64, iterations: i32, tolerance: f64, logs: bool,
): i32 {
  const g = (prepare(mask, mass, N, stride, width, epsilon, work) + 15) & ~15;
  const origin = at(g, w8), v = at(origin, w8), table = at(v, w8);
  // tops and sums of rows, or their offsets; then the matrix x, or K where it cannot lie in the plan
  const shift = table + CONSTANTS, top = at(shift, N + 4), sum = at(top, N + 4);
  const matrix = at(sum, N + 4);
  const kernel = w == w8 ? plan : matrix;
  startPotentials(g, start, epsilon);
  memory.copy(history, g, <usize>w * 4);
  if (logs) packCosts(cost, matrix, shift);

  let steps = 0;
  let made = false;
  while (n > 0) {
    if (logs) {
      if (steps == iterations) break;
      logPass(matrix, g, top, sum);
    } else {
      const near = made && scalings(g, origin, v);
      if (near && steps == iterations) break;
      if (!(near && scalingPass(kernel, v))) {
        if (!kernelPass(cost, kernel, g, shift, v, table)) return -1;
        made = true;
        memory.copy(origin, g, <usize>w8 * 4);
        scalings(g, origin, v);
        if (steps == iterations) break;
      }
    }
    if (tolerance >= 0 && columnError() <= tolerance) break;
    for (let e = 0; e < w; e++) {
      const mass1 = load<f64>(at8(b, e)), from = <f64>load<f32>(at(g, e));
      if (mass1 == 0) continue;
      const next = logs ? steppedPotential(matrix, e, from, mass1, top, sum) : from + ln(mass1 / load<f64>(at8(totals, e)));
      store<f32>(at(g, e), <f32>next);
    }
    steps++;
    memory.copy(at(history, steps * stride), g, <usize>w * 4);
  }
  for (let i = steps + 1; i <= iterations; i++) memory.copy(at(history, i * stride), g, <usize>w * 4);

  if (n < N) {
    for (let t = 0; t < N; t++) {
      if (mask != 0 && load<f32>(at(mask, t)) > 0) continue;
      memory.fill(at(plan, t * stride), 0, <usize>w * 4);
      store<f32>(at(f, t * fStride), <f32>-Infinity);
    }
  }
  const centre = centred(g, potential);
  const fStep = <usize>fStride << 2;
  let rowError: f64 = 0;
  if (n > 0) {
    rowError = logs
      ? logPlan(matrix, g, shift, top, sum, plan, f, fStep, stride, centre)
      : scaledPlan(kernel, v, shift, plan, f, fStep, stride, <f32>centre);
  }
  store<f32>(errors, <f32>rowError);
  store<f32>(errors + 4, n > 0 ? <f32>columnError() : 0);
  return steps;
}
