/** This package's AssemblyScript kernels, instantiated on the wasm backend's memory. */
import * as binary from '../../generated/wasm.js';
import { defineWasmModule } from '../../wasm-call.ts';

/** Addresses are bytes in wasm memory; strides are in bytes; flags are 0 or 1. See the `*.as.ts` of each name. */
export interface TensorKernels {
  setWideTiles(wide: number): void;
  mathConstantBytes(): number;
  setMathConstants(address: number): void;
  gemmWork(m: number, n: number, k: number): number;
  gemm(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: number,
    bRow: number,
    bCol: number,
    c: number,
    cRow: number,
    accumulate: number,
    work: number,
  ): void;
  transposeWalk(
    x: number,
    out: number,
    axes: number,
    rank: number,
    rows: number,
    columns: number,
    xRow: number,
    outRow: number,
  ): void;
  sumAxis(x: number, out: number, outer: number, count: number, inner: number, scale: number): void;
  sumSquares(x: number, count: number): number;
  maxAxis(x: number, out: number, outer: number, count: number, inner: number): void;
  binary(
    kind: number,
    ints: number,
    a: number,
    b: number,
    out: number,
    axes: number,
    rank: number,
    n: number,
    aStep: number,
    bStep: number,
  ): void;
  select(condition: number, a: number, b: number, out: number, n: number): void;
  floatToInt(x: number, out: number, n: number): void;
  unary(kind: number, x: number, out: number, n: number): void;
  softmaxRows(x: number, out: number, rows: number, n: number): void;
  gatherRows(x: number, indices: number, out: number, m: number, n: number, width: number): void;
  segmentSum(x: number, ids: number, out: number, n: number, segments: number, width: number): void;
  rmsNorm(x: number, weight: number, out: number, rows: number, n: number, epsilon: number): void;
  rmsNormGrad(
    x: number,
    weight: number,
    dy: number,
    dx: number,
    dw: number,
    rows: number,
    n: number,
    epsilon: number,
  ): void;
  swiglu(x: number, out: number, rows: number, n: number): void;
  swigluGrad(x: number, dy: number, dx: number, rows: number, n: number): void;
  crossEntropy(
    x: number,
    targets: number,
    weights: number,
    loss: number,
    lse: number,
    rows: number,
    n: number,
  ): void;
  crossEntropyGrad(
    x: number,
    targets: number,
    weights: number,
    lse: number,
    dy: number,
    dx: number,
    rows: number,
    n: number,
  ): void;
  rotary(
    x: number,
    cos: number,
    sin: number,
    out: number,
    batch: number,
    length: number,
    heads: number,
    width: number,
    half: number,
    tableStep: number,
    direction: number,
  ): void;
  adamwStep(
    p: number,
    m: number,
    v: number,
    g: number,
    pOut: number,
    mOut: number,
    vOut: number,
    n: number,
    beta1: number,
    oneMinusBeta1: number,
    beta2: number,
    oneMinusBeta2: number,
    keep: number,
    rate: number,
    vScale: number,
    epsilon: number,
    gradScale: number,
  ): void;
  attentionShape(
    length: number,
    keys: number,
    heads: number,
    keyHeads: number,
    width: number,
    valueWidth: number,
    window: number,
    scale: number,
  ): void;
  attentionBlock(): number;
  attention(
    q: number,
    k: number,
    v: number,
    out: number,
    lse: number,
    batch: number,
    queryDocuments: number,
    keyDocuments: number,
    work: number,
    gemmWork: number,
  ): void;
  attentionGrad(
    q: number,
    k: number,
    v: number,
    out: number,
    lse: number,
    dout: number,
    dq: number,
    dk: number,
    dv: number,
    batch: number,
    queryDocuments: number,
    keyDocuments: number,
    work: number,
    gemmWork: number,
  ): void;
}

export const tensorKernels = defineWasmModule<TensorKernels>(binary);
