import { defineWasmModule } from '@spectra/tensor';
import * as binary from '../../generated/wasm.js';

/** Addresses are bytes in the backend's memory; 0 stands for an optional input that was left out. */
interface RouterKernels {
  domainScore(rows: number, width: number, a: number, b: number, out: number): void;
  domainScoreBackward(
    rows: number,
    width: number,
    a: number,
    b: number,
    dy: number,
    dA: number,
    dB: number,
  ): void;
  specialityWork(experts: number, width: number): number;
  speciality(tokens: number, experts: number, width: number, r: number, out: number, work: number): void;
  specialityBackward(
    tokens: number,
    experts: number,
    width: number,
    r: number,
    dy: number,
    dR: number,
    work: number,
  ): void;
  gruForwardWork(stateSize: number): number;
  gruForward(
    batch: number,
    positions: number,
    stateSize: number,
    projected: number,
    weight: number,
    bias: number,
    initial: number,
    mask: number,
    documentStart: number,
    states: number,
    work: number,
  ): void;
  gruBackwardWork(stateSize: number): number;
  gruBackward(
    batch: number,
    positions: number,
    stateSize: number,
    projected: number,
    weight: number,
    bias: number,
    initial: number,
    mask: number,
    documentStart: number,
    states: number,
    dStates: number,
    dProjected: number,
    dBias: number,
    dInitial: number,
    dHidden: number,
    previous: number,
    work: number,
  ): void;
}

/** This package's AssemblyScript kernels on a backend's memory. */
export const kernels = defineWasmModule<RouterKernels>(binary);
