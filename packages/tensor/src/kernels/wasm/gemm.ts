/** The matrix product for TypeScript kernels on the wasm backend. */
import type { WasmCall } from '../../wasm-call.ts';
import { tensorKernels } from './module.ts';

export interface WasmGemm {
  /** Byte addresses (4-byte aligned) of the stored matrices; C must not overlap A or B. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** C is [m, n]; op(A) is [m, k]; op(B) is [k, n]. Any may be 0. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A is stored as [k, m]. */
  readonly transposeA?: boolean;
  /** B is stored as [n, k]. */
  readonly transposeB?: boolean;
  /** Elements from one stored row to the next; by default the rows are adjacent. */
  readonly lda?: number;
  readonly ldb?: number;
  readonly ldc?: number;
  /** C += op(A)·op(B) instead of C = op(A)·op(B). */
  readonly accumulate?: boolean;
  /** Scratch of `wasmGemmWork(m, n, k)` bytes, to share between calls; by default allocated for the call. */
  readonly work?: number;
}

/** Bytes of scratch for products up to this size. */
export function wasmGemmWork(call: WasmCall, m: number, n: number, k: number): number {
  return tensorKernels(call.backend).gemmWork(m, n, k);
}

/** C = op(A)·op(B) in float32, each element summed over k in ascending order. Allocates scratch: take views after it. */
export function wasmGemm(call: WasmCall, gemm: WasmGemm): void {
  const { a, b, c, m, n, k, transposeA = false, transposeB = false, accumulate = false } = gemm;
  const kernels = tensorKernels(call.backend);
  const aStep = 4 * (gemm.lda ?? (transposeA ? m : k));
  const bStep = 4 * (gemm.ldb ?? (transposeB ? k : n));
  const cStep = 4 * (gemm.ldc ?? n);
  const work = gemm.work ?? call.scratch(kernels.gemmWork(m, n, k));
  kernels.gemm(
    m,
    n,
    k,
    a,
    transposeA ? 4 : aStep,
    transposeA ? aStep : 4,
    b,
    transposeB ? 4 : bStep,
    transposeB ? bStep : 4,
    c,
    cStep,
    accumulate ? 1 : 0,
    work,
  );
}
