/** What one writes without this project: methods composed of tfjs ops, differentiated by the tape. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Params } from '../../protocol.ts';
import type { Work } from '../serve.ts';
import { settled, taken, tensorOf } from '../tape.ts';

/** y of inputs by name; the gradient is taken for `x`. */
export type FusedOp = (inputs: Readonly<Record<string, Tensor>>, params: Params) => Tensor;

export const COMPOSED: Readonly<Record<string, FusedOp>> = {
  sinkhorn({ x }, { iterations, epsilon }) {
    const [N, E] = x!.shape as [number, number];
    const M = tf.mul(x!, -1 / (epsilon as number));
    let g: Tensor = tf.zeros([1, E]);
    for (let i = 0; i < (iterations as number); i++) {
      const f = tf.neg(tf.logSumExp(tf.add(M, g), 1, true));
      g = tf.sub(Math.log(N / E), tf.logSumExp(tf.add(M, f), 0, true));
    }
    return tf.softmax(tf.add(M, g));
  },
  rmsNorm: ({ x, weight }) =>
    tf.mul(tf.mul(x!, tf.rsqrt(tf.add(tf.mean(tf.square(x!), 1, true), 1e-5))), weight!),
  swiglu({ x }) {
    const [gate, up] = tf.split(x!, 2, 1) as [Tensor, Tensor];
    return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
  },
  crossEntropy: ({ x, targets }) =>
    tf.neg(
      tf.sum(tf.mul(tf.logSoftmax(x!), tf.cast(tf.oneHot(targets as Tensor1D, x!.shape[1]!), 'float32')), 1),
    ),
  rotary({ x, cos, sin }) {
    const [a, b] = tf.split(x!, 2, 3) as [Tensor, Tensor];
    const [c, s] = [tf.expandDims(cos!, 2), tf.expandDims(sin!, 2)];
    return tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], 3);
  },
  causalAttention({ x }) {
    const [, S, , width] = x!.shape as [number, number, number, number];
    const mask = tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([S, S]), -1, 0)), -1e30);
    const heads = tf.transpose(x!, [0, 2, 1, 3]);
    const scores = tf.add(tf.mul(tf.matMul(heads, heads, false, true), 1 / Math.sqrt(width)), mask);
    return tf.transpose(tf.matMul(tf.softmax(scores), heads), [0, 2, 1, 3]);
  },
  // the wasm backend has no gradient of gather: UnsortedSegmentSum is missing
  gatherRows: ({ x, ids }) =>
    tf.matMul(tf.cast(tf.oneHot(ids as Tensor1D, x!.shape[0]!), 'float32') as Tensor2D, x as Tensor2D),
};

/** Forward of a fused op, and backward from a given cotangent to x. */
export function fusedOpWork(op: FusedOp, params: Params, inputs: Arrays): Work {
  const { x, cotangent, ...rest } = Object.fromEntries(
    Object.entries(inputs).map(([name, array]) => [name, tensorOf(array)]),
  );
  const both = tf.valueAndGrad((x: Tensor) => op({ ...rest, x }, params));
  return {
    run() {
      const { value, grad } = both(x!, cotangent!);
      tf.dispose([value, grad]);
      return settled();
    },
    outputs() {
      const { value, grad } = both(x!, cotangent!);
      return taken({ y: value, 'gradient of x': grad });
    },
    dispose: () => tf.dispose([x!, cotangent!, ...Object.values(rest)]),
  };
}
