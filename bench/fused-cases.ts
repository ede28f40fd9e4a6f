/** Fused ops, forward and backward: the peer is the op composed of tfjs's own, on our replaced kernels. */
import {
  adamwStep,
  causalAttention,
  crossEntropy,
  gatherRows,
  rmsNorm,
  rotary,
  segmentSum,
  swiglu,
} from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { BenchCase } from './harness.ts';

type Function1 = (x: tf.Tensor) => tf.Tensor;

/** Value and gradient with respect to `x`. */
function both(f: Function1, x: tf.Tensor): () => tf.TensorContainer {
  return () => tf.valueAndGrad((z: tf.Tensor) => tf.sum(f(z)))(x);
}

export function fusedCases(quick: boolean): BenchCase[] {
  const [batch, length, heads, width] = [quick ? 1 : 8, 256, 4, 32];
  const tokens = batch * length;
  const peer = 'composed, our kernels';
  const pair = (name: string, ours: Function1, theirs: Function1, x: tf.Tensor): BenchCase => ({
    name: `${name}, forward and backward`,
    ours: both(ours, x),
    peer,
    theirs: both(theirs, x),
  });

  const hidden = tf.randomNormal([tokens, 128]);
  const weight = tf.randomUniform([128]) as tf.Tensor1D;
  const gateUp = tf.randomNormal([tokens, 512]);
  const logits = tf.randomNormal([tokens, 1024]);
  const targets = tf.tensor1d(
    Int32Array.from({ length: tokens }, (_, i) => (i * 31) % 1024),
    'int32',
  );
  const ones = tf.ones([tokens]) as tf.Tensor1D;
  const q = tf.randomNormal([batch, length, heads, width]) as tf.Tensor4D;
  const angles = tf.randomNormal([1, length, width / 2]);
  const [cos, sin] = [tf.cos(angles) as tf.Tensor3D, tf.sin(angles) as tf.Tensor3D];
  const table = tf.randomNormal([1024, 128]) as tf.Tensor2D;
  const [p, m, v, grad] = [0, 1, 2, 3].map(() => tf.randomUniform([quick ? 10_000 : 1_000_000]));
  const hyper = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3, gradScale: 1 };

  const plainRotary = (x: tf.Tensor): tf.Tensor => {
    const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
    const [c, s] = [tf.expandDims(cos, 2), tf.expandDims(sin, 2)];
    return tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], 3);
  };
  const mask = tf.tidy(() => tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([length, length]), -1, 0)), -1e30));
  const plainAttention = (x: tf.Tensor): tf.Tensor => {
    const h = tf.transpose(x, [0, 2, 1, 3]);
    const scores = tf.add(tf.mul(tf.matMul(h, h, false, true), 1 / Math.sqrt(width)), mask);
    return tf.transpose(tf.matMul(tf.softmax(scores), h), [0, 2, 1, 3]);
  };
  return [
    pair(
      'rmsNorm',
      x => rmsNorm(x as tf.Tensor2D, weight, 1e-5),
      x => tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), 1e-5))), weight),
      hidden,
    ),
    pair(
      'swiglu',
      x => swiglu(x as tf.Tensor2D),
      x => {
        const [gate, up] = tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor];
        return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
      },
      gateUp,
    ),
    pair(
      'crossEntropy of 1024 logits',
      x => crossEntropy(x as tf.Tensor2D, targets, ones),
      x => tf.neg(tf.sum(tf.mul(tf.logSoftmax(x), tf.cast(tf.oneHot(targets, 1024), 'float32')), 1)),
      logits,
    ),
    pair('rotary', x => rotary(x as tf.Tensor4D, cos, sin), plainRotary, q),
    pair(
      'causalAttention',
      x => causalAttention(x as tf.Tensor4D, x as tf.Tensor4D, x as tf.Tensor4D),
      plainAttention,
      q,
    ),
    pair(
      'gatherRows',
      x => gatherRows(x as tf.Tensor2D, targets),
      x => tf.gather(x, targets),
      table,
    ),
    {
      name: 'segmentSum',
      ours: () => segmentSum(hidden as tf.Tensor2D, targets, 1024),
      peer,
      theirs: () => tf.unsortedSegmentSum(hidden, targets, 1024),
    },
    {
      name: `adamwStep of ${p!.size}`,
      ours: () => adamwStep({ param: p!, m: m!, v: v!, grad: grad! }, hyper),
      peer,
      theirs: () =>
        tf.tidy(() => {
          const first = tf.add(tf.mul(m!, 0.9), tf.mul(grad!, 0.1));
          const second = tf.add(tf.mul(v!, 0.95), tf.mul(tf.square(grad!), 0.05));
          const step = tf.div(tf.mul(first, 0.0037), tf.add(tf.sqrt(tf.mul(second, 7)), 1e-8));
          return [tf.sub(tf.mul(p!, 0.9999), step), first, second];
        }),
    },
  ];
}
