import { defineWasmModule } from '@spectra/tensor';
import * as binary from '../../generated/wasm.js';

interface MoeKernels {
  dispatchRows(x: number, slotOfRow: number, out: number, rows: number, width: number, slots: number): void;
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
