/** This package's AssemblyScript kernels, instantiated on the wasm backend's memory. */
import * as binary from '../../generated/wasm.js';
import { defineWasmModule } from '../../wasm-call.ts';

/** Addresses are bytes in wasm memory; strides are in bytes; flags are 0 or 1. See the `*.as.ts` of each name. */
export interface TensorKernels {
  setWideTiles(wide: number): void;
  keepMathConstants(one: number): void;
  gemmWork(m: number, n: number, k: number): number;
  gemm(
    m: number, n: number, k: number,
    a: number, aRow: number, aCol: number,
    b: number, bRow: number, bCol: number,
    c: number, cRow: number,
    accumulate: number, work: number,
  ): void;
  transposeWalk(
    x: number, out: number, axes: number, rank: number, rows: number, columns: number, xRow: number, outRow: number,
  ): void;
  sumAxis(x: number, out: number, outer: number, count: number, inner: number, scale: number): void;
  maxAxis(x: number, out: number, outer: number, count: number, inner: number): void;
  unary(kind: number, x: number, out: number, n: number): void;
  softmaxRows(x: number, out: number, rows: number, n: number): void;
}

export const tensorKernels = defineWasmModule<TensorKernels>(binary);
