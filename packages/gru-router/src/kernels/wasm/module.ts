import { defineWasmModule } from '@spectra/tensor';
import * as binary from '../../generated/wasm.js';

/** Addresses are bytes in the backend's memory; 0 stands for an optional input that was left out. */
export interface RouterKernels {
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
  pricedPlan(
    tokens: number,
    experts: number,
    groups: number,
    cost: number,
    price: number,
    mask: number,
    epsilon: number,
    logits: number,
    probabilities: number,
  ): number;
  /** As in `@spectra/routing`, whose selection kernels this module holds too: (tokens, experts, k, groups, …). */
  topK(...sizesAndAddresses: number[]): void;
  gateForward(...sizesAndAddresses: number[]): void;
  expertLoad(count: number, experts: number, indices: number, load: number): void;
  scaled(count: number, factor: number, x: number, out: number): void;
  rowEntropy(tokens: number, experts: number, p: number, out: number): void;
  rowEntropyGradient(tokens: number, experts: number, p: number, dy: number, dp: number): void;
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
  routerCostWork(experts: number, width: number): number;
  /** See `routerCost` in router-cost.as.ts for the order. */
  routerCost(...sizesAddressesAndWeights: number[]): void;
  costOfScoresWork(experts: number): number;
  costOfScores(
    tokens: number,
    experts: number,
    scores: number,
    gram: number,
    lambda: number,
    beta: number,
    tau: number,
    cost: number,
    work: number,
  ): void;
  routerCostGradientWork(tokens: number, experts: number, width: number): number;
  routerCostGradient(...sizesAddressesAndWeights: number[]): void;
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
  gruPrevious(
    batch: number,
    positions: number,
    stateSize: number,
    initial: number,
    mask: number,
    documentStart: number,
    states: number,
    previous: number,
  ): void;
  gruBackward(
    batch: number,
    positions: number,
    stateSize: number,
    projected: number,
    weight: number,
    bias: number,
    previous: number,
    mask: number,
    documentStart: number,
    dStates: number,
    dProjected: number,
    dBias: number,
    dInitial: number,
    dHidden: number,
    work: number,
  ): void;
}

/** This package's AssemblyScript kernels on a backend's memory. */
export const kernels = defineWasmModule<RouterKernels>(binary);
