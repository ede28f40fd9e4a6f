/** Runs the kernels on small made-up data in a memory of their own: for comparing two compilations of one module. */
import type { TensorKernels } from './module.ts';

/** Matrices and scratch lie in the first half of the memory, the data of the other kernels in the second. */
const PAGES = 16;
const DATA = 4096;
/** Where the constants of the vector maths lie, in bytes: below the data. */
const MATH_CONSTANTS = 1024;
const HALF = PAGES * 8192;
const RESULTS = 32 * 1024;
/** Floats that the results of one case may take. */
const ROOM = 2048;
/** Where a few row numbers lie, as int32. */
const IDS = 1024;
const SCRATCH = 4 * DATA;
/** The product's scratch, away from the matrices: what it leaves there depends on the tiles. */
const WORK = HALF - 32 * 1024;

/** One run of every other kernel, from the floats at `x` to `out`. */
const CASES: readonly ((kernels: TensorKernels, x: number, out: number) => void)[] = [
  (k, x, out) => k.sumAxis(x, out, 3, 70, 37, 0.5),
  (k, x, out) => k.sumAxis(x, out, 3, 70, 1, 1),
  (k, x, out) => k.maxAxis(x, out, 3, 70, 37),
  (k, x, out) => k.sumAxis(x, out, 1, 4000, 1, k.sumSquares(x, 4000)),
  (k, x, out) => k.maxAxis(x, out, 3, 70, 1),
  ...Array.from(
    { length: 10 },
    (_, kind) => (k: TensorKernels, x: number, out: number) => k.unary(kind, x, out, 1021),
  ),
  ...Array.from({ length: 8 }, (_, kind) => (k: TensorKernels, x: number, out: number) => {
    k.binary(kind, 0, x, x + 4000, out, 0, 0, 517, 1, 1);
  }),
  (k, x, out) => k.softmaxRows(x, out, 7, 131),
  (k, x, out) => k.gatherRows(x, 4 * IDS, out, 5, 20, 37),
  (k, x, out) => k.segmentSum(x, 4 * IDS, out, 20, 5, 37),
  (k, x, out) => k.rmsNorm(x, x + 4000, out, 9, 45, 1e-5),
  (k, x, out) => k.rmsNormGrad(x, x + 4000, x + 8000, out, out + 4000, 9, 45, 1e-5),
  (k, x, out) => k.swiglu(x, out, 9, 45),
  (k, x, out) => k.swigluGrad(x, x + 8000, out, 9, 45),
  (k, x, out) => k.crossEntropy(x, 4 * IDS, x + 8000, out, out + 4000, 9, 45),
  (k, x, out) => k.crossEntropyGrad(x, 4 * IDS, x + 8000, x + 8400, x + 8800, out, 9, 45),
  (k, x, out) => k.rotary(x, x + 8000, x + 12000, out, 2, 3, 4, 24, 10, 0, -1),
  (k, x, out) => {
    const [p, m, v] = [out, out + 2048, out + 4096];
    k.adamwStep(
      x,
      x + 4000,
      x + 8000,
      x + 12000,
      p,
      m,
      v,
      301,
      0.9,
      0.1,
      0.95,
      0.05,
      0.99,
      0.01,
      2,
      1e-8,
      0.5,
    );
  },
  (k, x, out) => {
    k.attentionShape(20, 20, 2, 1, 12, 12, 0, 0.3);
    k.attention(x, x + 4000, x + 8000, out, out + 4000, 2, 0, 0, SCRATCH, SCRATCH + 8 * k.attentionBlock());
    const [result, sums, dy] = [out, out + 4000, x + 12000];
    const [dq, dk, dv] = [out + 4400, out + 6400, out + 7400];
    const work = SCRATCH + 8 * k.attentionBlock();
    k.attentionGrad(x, x + 4000, x + 8000, result, sums, dy, dq, dk, dv, 1, 0, 0, SCRATCH, work);
  },
];

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
  fill(on);
  on.kernels.setMathConstants(MATH_CONSTANTS);
  return on;
}

function fill({ floats }: Bench): void {
  const ids = new Int32Array(floats.buffer, 4 * IDS, 64);
  ids.forEach((_, i) => {
    ids[i] = (i % 6) - 1;
  });
  let state = 1;
  for (let i = DATA; i < floats.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    floats[i] = state / 2 ** 31;
  }
}

/** The bits of the results of every kernel. */
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
  CASES.forEach((run, i) => {
    run(kernels, 4 * HALF, 4 * (HALF + RESULTS + i * ROOM));
  });
  results.push(floats.slice(HALF + RESULTS, HALF + RESULTS + CASES.length * ROOM));
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

export const PRODUCT_FLOPS = 2 * 96 * 128 * 128;

/** Milliseconds of one product of [96, 128]·[128, 128]. */
export function productTime(on: Bench): number {
  const repeat = 3;
  const start = performance.now();
  for (let i = 0; i < repeat; i++) product(on, 96, 128, 128, 0);
  return (performance.now() - start) / repeat;
}

/** A product of the fixed data; bit 0 of `transposed` is op(A), bit 1 op(B). Returns the indices of the matrices. */
function product({ kernels }: Bench, m: number, n: number, k: number, transposed: number) {
  const a = DATA;
  const b = a + m * k;
  const c = (b + k * n + 3) & ~3;
  const [aRow, aCol] = (transposed & 1) === 0 ? [4 * k, 4] : [4, 4 * m];
  const [bRow, bCol] = (transposed & 2) === 0 ? [4 * n, 4] : [4, 4 * k];
  kernels.gemm(m, n, k, 4 * a, aRow, aCol, 4 * b, bRow, bCol, 4 * c, 4 * n, 0, 4 * WORK);
  return { a, b, c };
}
