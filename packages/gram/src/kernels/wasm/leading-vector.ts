/**
 * ‖Av‖² with A's leading vector v on the wasm backend: the products are the shared matrix product's, 2·E³ operations a
 * squaring on 4·E² bytes; what lies between is E² numbers at a time.
 */
import { type KernelInputs, type WasmCall, wasmGemm, wasmGemmWork } from '@spectra/tensor';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';

/** Least divisor: nothing is divided by 0. */
const LEAST = 1e-30;

/** [‖Av‖², v [E,1], Av [E,1]] of a symmetric A [E,E]. */
export function spectralSquaredWasm(
  { A }: KernelInputs<{ A: Tensor }>,
  squarings: number,
  call: WasmCall,
): TensorInfo[] {
  const E = A.shape[0]!;
  const [value, v, image] = [call.output([]), call.output([E, 1]), call.output([E, 1])];
  const [squared, power, next] = [0, 1, 2].map(() => call.scratch(4 * E * E)) as [number, number, number];
  const column = call.scratch(4 * E);
  const work = call.scratch(wasmGemmWork(call, E, E, E));
  const square = (from: number, to: number): void => {
    wasmGemm(call, { a: from, b: from, c: to, m: E, n: E, k: E, transposeA: true, work });
    rescale(call.floats(to, E * E), E * E);
  };
  const apply = (matrix: number, x: number, to: number): void => {
    wasmGemm(call, { a: matrix, b: x, c: to, m: E, n: 1, k: E, work });
  };

  call.floats(power, E * E).set(call.floats(call.address(A), E * E));
  rescale(call.floats(power, E * E), E * E);
  square(power, squared);
  let [from, to] = [squared, power];
  for (let i = 0; i < squarings; i++) {
    square(from, to);
    [from, to] = [to, from === squared ? next : from];
  }
  const longest = longestColumn(call.floats(from, E * E), E);
  const values = call.floats(from, E * E);
  unit(
    call.floats(column, E).map((_, i) => values[i * E + longest]!),
    call.floats(column, E),
  );
  apply(squared, column, call.address(v));
  unit(call.floats(call.address(v), E), call.floats(call.address(v), E));
  apply(call.address(A), call.address(v), call.address(image));
  const size = call.floats(call.address(image), E).reduce((sum, x) => sum + x * x, 0);
  call.floats(call.address(value), 1)[0] = size;
  return [value, v, image];
}

/** Divides by the largest magnitude: powers leave float32's range. */
function rescale(values: Float32Array, count: number): void {
  let most = LEAST;
  for (let i = 0; i < count; i++) most = Math.max(most, Math.abs(values[i]!));
  for (let i = 0; i < count; i++) values[i]! /= most;
}

function longestColumn(values: Float32Array, E: number): number {
  let [best, most] = [0, -1];
  for (let e = 0; e < E; e++) {
    let size = 0;
    for (let i = e; i < E * E; i += E) size += values[i]! * values[i]!;
    if (size > most) [best, most] = [e, size];
  }
  return best;
}

function unit(values: Float32Array, out: Float32Array): void {
  const length = Math.max(LEAST, Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)));
  values.forEach((x, i) => {
    out[i] = x / length;
  });
}
