/** Puts this package's kernels in the place of the slow stock ones of the tfjs wasm backend. */
import {
  _FusedMatMul,
  BatchMatMul,
  Cast,
  Concat,
  GatherV2,
  Max,
  Maximum,
  Mean,
  Minimum,
  Select,
  Slice,
  Softmax,
  SplitV,
  Sum,
  Tile,
  Transpose,
} from '@tensorflow/tfjs-core';
import { kernelChoice } from '../../kernel-choice.ts';
import { BINARY_KERNELS, binary, cast, select } from './binary.ts';
import { gather, slice, tile } from './copy.ts';
import { concat, splitV } from './join.ts';
import { batchMatMul, fusedMatMul } from './matmul.ts';
import { reduction } from './reduce.ts';
import { type Replacement, replaceKernel } from './stock.ts';
import { transpose } from './transpose.ts';
import { softmax, UNARY_KERNELS, unary } from './unary.ts';

const REPLACEMENTS: Readonly<Record<string, Replacement>> = {
  [BatchMatMul]: batchMatMul,
  [_FusedMatMul]: fusedMatMul,
  [Transpose]: transpose,
  [Sum]: reduction('sum', 'axis'),
  [Mean]: reduction('mean', 'axis'),
  [Max]: reduction('max', 'reductionIndices'),
  [Softmax]: softmax,
  [Select]: select,
  [Cast]: cast,
  [Slice]: slice,
  [Tile]: tile,
  [GatherV2]: gather,
  [Concat]: concat,
  [SplitV]: splitV,
  ...Object.fromEntries(BINARY_KERNELS.map(name => [name, binary(name)])),
  ...Object.fromEntries(UNARY_KERNELS.map(name => [name, unary(name)])),
};

/** What stays with `SPECTRA_KERNELS=reference`: the stock kernels pass over NaN. */
const REPAIRING: readonly string[] = [Maximum, Minimum];

let registered = false;

/**
 * Registers every replacement, with `SPECTRA_KERNELS=reference` only what repairs; idempotent and synchronous. Call it
 * once `@tensorflow/tfjs-backend-wasm` is imported (which registers the stock kernels), before or after the backend
 * has started.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  const all = kernelChoice() === 'fused';
  for (const [kernelName, replacement] of Object.entries(REPLACEMENTS)) {
    if (all || REPAIRING.includes(kernelName)) replaceKernel(kernelName, replacement);
  }
}
