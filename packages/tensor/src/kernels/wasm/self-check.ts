/** Runs the kernels on small made-up data in a memory of their own: for comparing two compilations of one module. */
import type { TensorKernels } from './module.ts';

/** Matrices and scratch lie in the first half of the memory, the data of the other kernels in the second. */
const PAGES = 16;
const DATA = 4096;
const HALF = PAGES * 8192;
const RESULTS = 32 * 1024;

/** [m, n, k]: whole and part tiles, one and two panels, more than one block of k. */
const SHAPES: readonly (readonly [number, number, number])[] = [
  [13, 41, 300],
  [6, 16, 7],
  [31, 24, 65],
];

export interface Bench {
  readonly kernels: TensorKernels;
  readonly floats: Float32Array;
}

/** The module on fresh memory, filled with fixed pseudo-random numbers in [−1, 1). */
export function bench(module: WebAssembly.Module): Bench {
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const instance = new WebAssembly.Instance(module, { env: { memory, abort: () => undefined } });
  const on = {
    kernels: instance.exports as unknown as TensorKernels,
    floats: new Float32Array(memory.buffer),
  };
  on.kernels.keepMathConstants(1);
  fill(on);
  return on;
}

function fill({ floats }: Bench): void {
  let state = 1;
  for (let i = DATA; i < floats.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    floats[i] = state / 2 ** 31;
  }
}

/** The bits of every result of the self-check. */
export function selfCheckBits(on: Bench): Int32Array {
  const { kernels, floats } = on;
  fill(on);
  const results: Float32Array[] = [];
  for (const [m, n, k] of SHAPES) {
    for (const transposed of [0, 1, 2, 3]) {
      const { c } = product(on, m, n, k, transposed);
      results.push(floats.slice(c, c + m * n));
    }
  }
  const x = 4 * HALF;
  const out = x + 4 * RESULTS;
  kernels.sumAxis(x, out, 3, 70, 37, 0.5);
  kernels.sumAxis(x, out + 4096, 3, 70, 1, 1);
  kernels.maxAxis(x, out + 8192, 3, 70, 37);
  for (let kind = 0; kind < 8; kind++) kernels.unary(kind, x, out + 4096 * (3 + kind), 1021);
  kernels.softmaxRows(x, out + 4096 * 11, 7, 131);
  results.push(floats.slice(HALF + RESULTS, HALF + RESULTS + 12 * 1024));
  const total = results.reduce((size, part) => size + part.length, 0);
  const bits = new Float32Array(total);
  let at = 0;
  for (const part of results) {
    bits.set(part, at);
    at += part.length;
  }
  return new Int32Array(bits.buffer);
}

/** The largest error of a product against float64, relative to the sum of the magnitudes. */
export function productError(on: Bench): number {
  let worst = 0;
  for (const [m, n, k] of SHAPES) {
    const { a, b, c } = product(on, m, n, k, 0);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let exact = 0;
        let size = 0;
        for (let p = 0; p < k; p++) {
          const term = (on.floats[a + i * k + p] as number) * (on.floats[b + p * n + j] as number);
          exact += term;
          size += Math.abs(term);
        }
        worst = Math.max(worst, Math.abs((on.floats[c + i * n + j] as number) - exact) / (size + 1e-30));
      }
    }
  }
  return worst;
}

/** Milliseconds of one product of [96, 128]·[128, 128]; the shortest of a few runs. */
export function productTime(on: Bench): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    for (let i = 0; i < 4; i++) product(on, 96, 128, 128, 0);
    best = Math.min(best, (performance.now() - start) / 4);
  }
  return best;
}

/** A product of the fixed data; bit 0 of `transposed` is op(A), bit 1 op(B). Returns the indices of the matrices. */
function product({ kernels }: Bench, m: number, n: number, k: number, transposed: number) {
  const a = DATA;
  const b = a + m * k;
  const c = (b + k * n + 3) & ~3;
  const work = (c + m * n + 15) & ~15;
  const [aRow, aCol] = (transposed & 1) === 0 ? [4 * k, 4] : [4, 4 * m];
  const [bRow, bCol] = (transposed & 2) === 0 ? [4 * n, 4] : [4, 4 * k];
  kernels.gemm(m, n, k, 4 * a, aRow, aCol, 4 * b, bRow, bCol, 4 * c, 4 * n, 0, 4 * work);
  return { a, b, c };
}
