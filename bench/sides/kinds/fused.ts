/** The packages' own ops behind the names of `COMPOSED`. */
import { sinkhorn } from '@spectra/sinkhorn';
import { causalAttention, crossEntropy, gatherRows, rmsNorm, rotary, swiglu } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { FusedOp } from './composed.ts';

export const FUSED: Readonly<Record<string, FusedOp>> = {
  sinkhorn: ({ x }, { iterations, epsilon }) =>
    sinkhorn(x as Tensor2D, { iterations: iterations as number, epsilon: epsilon as number }).plan,
  rmsNorm: ({ x, weight }) => rmsNorm(x as Tensor2D, weight as Tensor1D, 1e-5),
  swiglu: ({ x }) => swiglu(x as Tensor2D),
  crossEntropy: ({ x, targets }) =>
    crossEntropy(x as Tensor2D, targets as Tensor1D, tf.ones([x!.shape[0]!]) as Tensor1D),
  rotary: ({ x, cos, sin }) => rotary(x as Tensor4D, cos as Tensor3D, sin as Tensor3D),
  causalAttention: ({ x }) => causalAttention(x as Tensor4D, x as Tensor4D, x as Tensor4D),
  gatherRows: ({ x, ids }) => gatherRows(x as Tensor2D, ids as Tensor1D),
};
