/** `BatchMatMul` and `_FusedMatMul` on our own matrix product. */
import type { _FusedMatMulAttrs, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { broadcast_util, getKernel, util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { wasmGemm, wasmGemmWork } from './gemm.ts';
import type { KernelArguments } from './stock.ts';
import { broadcastStrides } from './strides.ts';

/** C[…, m, n] = op(A)·op(B), the batch axes broadcast. */
export function batchMatMul(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const { transposeA = false, transposeB = false } = attrs as { transposeA?: boolean; transposeB?: boolean };
  const [batchA, rowsA, colsA] = split(a.shape);
  const [batchB, rowsB, colsB] = split(b.shape);
  const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
  const [kB, n] = transposeB ? [colsB, rowsB] : [rowsB, colsB];
  util.assert(
    k === kB,
    () =>
      `Error in matMul: inner shapes (${k}) and (${kB}) of Tensors with shapes ${a.shape} and ${b.shape} and ` +
      `transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const batch = broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const out = call.output([...batch, m, n]);
  const count = util.sizeFromShape(batch);
  if (count === 0) return out;
  const base = {
    a: call.address(a),
    b: call.address(b),
    c: call.address(out),
    m,
    n,
    k,
    transposeA,
    transposeB,
  };
  if (util.sizeFromShape(batchB) === 1 && !transposeA) {
    // one B for all: the batch is so many more rows
    wasmGemm(call, { ...base, m: util.sizeFromShape(batchA) * m });
    return out;
  }
  const work = call.scratch(wasmGemmWork(call, m, n, k));
  const [stridesA, stridesB] = [broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)];
  for (let i = 0; i < count; i++) {
    wasmGemm(call, {
      ...base,
      a: base.a + 4 * m * k * offset(i, batch, stridesA),
      b: base.b + 4 * k * n * offset(i, batch, stridesB),
      c: base.c + 4 * i * m * n,
      work,
    });
  }
  return out;
}

/** `batchMatMul` followed by a bias over the last axis and an activation. */
export function fusedMatMul(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const { bias, preluActivationWeights } = inputs as {
    bias?: TensorInfo;
    preluActivationWeights?: TensorInfo;
  };
  const { activation, leakyreluAlpha } = attrs as unknown as _FusedMatMulAttrs;
  const kernel = ACTIVATION_KERNELS[activation];
  if (kernel === undefined || (bias !== undefined && bias !== null && bias.shape.length !== 1))
    return undefined;
  let out = batchMatMul(call, { inputs, attrs });
  if (out === undefined) return undefined;
  const then = (
    kernelName: string,
    args: Record<string, TensorInfo>,
    extra: Record<string, number> = {},
  ): void => {
    const before = out as TensorInfo;
    out = getKernel(kernelName, 'wasm').kernelFunc({
      inputs: args,
      attrs: extra,
      backend: call.backend,
    }) as TensorInfo;
    call.backend.disposeData(before.dataId as Tensor['dataId']);
  };
  if (bias !== undefined && bias !== null) then('Add', { a: out, b: bias });
  if (kernel === 'Prelu') then(kernel, { x: out, alpha: preluActivationWeights as TensorInfo });
  else if (kernel === 'LeakyRelu') then(kernel, { x: out }, { alpha: leakyreluAlpha ?? 0.2 });
  else if (kernel !== '') then(kernel, { x: out });
  return out;
}

const ACTIVATION_KERNELS: Readonly<Record<string, string>> = {
  linear: '',
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  prelu: 'Prelu',
  leakyrelu: 'LeakyRelu',
};

function split(shape: readonly number[]): [number[], number, number] {
  return [shape.slice(0, -2), shape[shape.length - 2] as number, shape[shape.length - 1] as number];
}

function offset(index: number, batch: readonly number[], strides: readonly number[]): number {
  let at = 0;
  for (let d = batch.length - 1; d >= 0; d--) {
    const size = batch[d] as number;
    at += (index % size) * (strides[d] as number);
    index = Math.floor(index / size);
  }
  return at;
}
