/** This package's AssemblyScript kernels on a backend's memory. */
import { defineWasmModule } from '@spectra/tensor';
import * as binary from '../../generated/wasm.js';

/** Addresses are bytes in the backend's memory; 0 stands for an optional input that was left out. */
interface RoutingKernels {
  scoresHold(tokens: number, experts: number, scores: number, mask: number): number;
  topK(
    tokens: number,
    experts: number,
    k: number,
    groups: number,
    scores: number,
    mask: number,
    atLeast: number,
    indices: number,
  ): void;
  acceptanceWork(tokens: number, k: number, groups: number): number;
  acceptance(
    tokens: number,
    experts: number,
    k: number,
    groups: number,
    cap: number,
    scores: number,
    mask: number,
    heaps: number,
    load: number,
    work: number,
  ): void;
  acceptedSlots(
    tokens: number,
    experts: number,
    k: number,
    cap: number,
    heaps: number,
    load: number,
    indices: number,
    filled: number,
  ): number;
  sortTokens(
    tokens: number,
    experts: number,
    k: number,
    scores: number,
    indices: number,
    filled: number,
  ): void;
  gateForward(
    tokens: number,
    experts: number,
    k: number,
    groups: number,
    kind: number,
    scores: number,
    indices: number,
    weights: number,
  ): void;
  gateBackward(
    tokens: number,
    experts: number,
    k: number,
    groups: number,
    kind: number,
    scores: number,
    indices: number,
    weights: number,
    dy: number,
    gradient: number,
  ): void;
  expertLoad(count: number, experts: number, indices: number, load: number): void;
}

export const kernels = defineWasmModule<RoutingKernels>(binary);
