/** Kernels that replace a stock one: the peer is the stock kernel itself, called on the same tensors. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { stockKernel } from '../packages/tensor/src/kernels/wasm/stock.ts';
import type { BenchCase } from './harness.ts';

export function stockCases(backend: BackendWasm, quick: boolean): BenchCase[] {
  /** Ours through the registry, theirs directly: both without the engine around them. */
  const compare = (
    name: string,
    kernelName: string,
    inputs: Record<string, tf.Tensor>,
    attrs: tf.NamedAttrMap = {},
    flops?: number,
  ): BenchCase => {
    const ours = tf.getKernel(kernelName, 'wasm').kernelFunc;
    const stock = stockKernel(kernelName);
    if (stock === undefined) throw new Error(`${kernelName} replaces nothing.`);
    const dispose = (out: tf.TensorInfo): tf.TensorContainer => {
      backend.disposeData(out.dataId);
      return [];
    };
    return {
      name,
      ours: () => dispose(ours({ inputs, attrs, backend }) as tf.TensorInfo),
      peer: 'tfjs wasm',
      theirs: () => dispose(stock(backend, { inputs, attrs })),
      ...(flops === undefined ? {} : { flops }),
    };
  };
  const x = tf.randomUniform([2048, 512], 0.1, 2);
  const y = tf.randomUniform([2048, 512], 0.1, 2);
  const column = tf.randomUniform([2048, 1], 0.1, 2);
  const heads = tf.randomUniform([8, 256, 4, 32]);
  const ids = tf.tensor1d(
    Int32Array.from({ length: 2048 }, (_, i) => (i * 37) % 2048),
    'int32',
  );
  const mask = tf.greater(x, 1);
  const row = tf.randomUniform([1, 512]);

  const product = (m: number, k: number, n: number, ta: boolean, tb: boolean): BenchCase => {
    const a = tf.randomUniform(ta ? [k, m] : [m, k], -1, 1);
    const b = tf.randomUniform(tb ? [n, k] : [k, n], -1, 1);
    const name = `matmul ${m}x${k}x${n} ${ta ? 'T' : 'N'}${tb ? 'T' : 'N'}`;
    return compare(name, 'BatchMatMul', { a, b }, { transposeA: ta, transposeB: tb }, 2 * m * k * n);
  };
  const side = quick ? 256 : 1024;
  return [
    product(side, side, side, false, false),
    product(2048, 128, 512, false, false),
    product(2048, 512, 128, false, false),
    product(256, 128, 512, false, true),
    product(128, 256, 512, true, false),
    product(2048, 128, 8, false, false),
    product(8, 64, 192, false, false),
    product(1, 128, 512, false, false),
    compare('transpose [2048,512]', 'Transpose', { x }, { perm: [1, 0] }),
    compare('transpose [8,256,4,32] 0213', 'Transpose', { x: heads }, { perm: [0, 2, 1, 3] }),
    compare('sum over axis 0', 'Sum', { x }, { axis: [0], keepDims: false }),
    compare('sum over axis 1', 'Sum', { x }, { axis: [1], keepDims: false }),
    compare('mean of all', 'Mean', { x }, { axis: [0, 1], keepDims: false }),
    compare('max over axis 0', 'Max', { x }, { reductionIndices: [0], keepDims: false }),
    compare('max over axis 1', 'Max', { x }, { reductionIndices: [1], keepDims: false }),
    compare('softmax', 'Softmax', { logits: x }, { dim: 1 }),
    ...['Exp', 'Log', 'Sigmoid', 'Tanh', 'Softplus', 'Sqrt', 'Rsqrt', 'Reciprocal', 'Erf'].map(name =>
      compare(name.toLowerCase(), name, { x }),
    ),
    compare('maximum, same shape', 'Maximum', { a: x, b: y }),
    compare('maximum with a column', 'Maximum', { a: x, b: column }),
    compare('greater, same shape', 'Greater', { a: x, b: y }),
    compare('greater than a column', 'Greater', { a: x, b: column }),
    compare('where', 'Select', { condition: mask, t: x, e: y }),
    compare('cast to int32', 'Cast', { x }, { dtype: 'int32' }),
    compare('slice of 16 rows', 'Slice', { x }, { begin: [16, 0], size: [16, 512] }),
    compare('slice of half the columns', 'Slice', { x }, { begin: [0, 0], size: [2048, 256] }),
    compare('tile of a row', 'Tile', { x: row }, { reps: [2048, 1] }),
    compare('tile of a column', 'Tile', { x: column }, { reps: [1, 512] }),
    compare('gather of rows', 'GatherV2', { x, indices: ids }, { axis: 0, batchDims: 0 }),
  ];
}
