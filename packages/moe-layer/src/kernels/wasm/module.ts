import { defineWasmModule } from '@spectra/tensor';
import * as binary from '../../generated/wasm.js';

/** Addresses are bytes in wasm memory. See the `*.as.ts` of each name. */
export interface MoeKernels {
  mixtureShape(hidden: number, inner: number, experts: number, slots: number): void;
  mixtureWork(rows: number): number;
  mixture(
    x: number,
    weights: number,
    up: number,
    down: number,
    slotOfRow: number,
    offsets: number,
    h: number,
    y: number,
    tokens: number,
    most: number,
    work: number,
  ): void;
  mixtureGrad(
    x: number,
    weights: number,
    up: number,
    down: number,
    slotOfRow: number,
    offsets: number,
    h: number,
    dy: number,
    dx: number,
    dWeights: number,
    dUp: number,
    dDown: number,
    tokens: number,
    most: number,
    work: number,
  ): void;
  combineRows(
    rows: number,
    rowOfSlot: number,
    weights: number,
    out: number,
    tokens: number,
    slots: number,
    width: number,
  ): void;
}

/** This package's AssemblyScript kernels on a backend's memory. */
export const kernels = defineWasmModule<MoeKernels>(binary);
