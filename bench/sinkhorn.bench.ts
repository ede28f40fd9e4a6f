/**
 * Sinkhorn forward and backward: the fused wasm kernel against the same method composed of tfjs ops and differentiated by the
 * tape (what one writes without this package; it runs on `@spectra/tensor`'s wasm kernels too).
 */

import { type SinkhornOptions, sinkhorn } from '@spectra/sinkhorn';
import { Rng, setBackend } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type BenchCase, bench } from './harness.ts';

const EPSILON = 0.05;

/** The method composed of tfjs ops. */
function composed(cost: Tensor2D, iterations: number): Tensor {
  const [N, E] = cost.shape;
  const M = tf.mul(cost, -1 / EPSILON);
  let g: Tensor = tf.zeros([1, E]);
  for (let i = 0; i < iterations; i++) {
    const f = tf.neg(tf.logSumExp(tf.add(M, g), 1, true));
    g = tf.sub(Math.log(N / E), tf.logSumExp(tf.add(M, f), 0, true));
  }
  return tf.softmax(tf.add(M, g));
}

await setBackend('wasm');
bench(
  [
    [2048, 32, 3],
    [4096, 64, 5],
  ].flatMap(([N, E, T]) => casesOf(N!, E!, T!)),
);

function casesOf(N: number, E: number, T: number): BenchCase[] {
  const rng = new Rng(1);
  const cost = rng.uniformTensor([N, E], -1, 1) as Tensor2D;
  const cotangent = rng.normalTensor([N, E]);
  const gradient = (plan: (c: Tensor2D) => Tensor) => () =>
    tf.tidy(() => tf.grad((c: Tensor) => tf.sum(tf.mul(plan(c as Tensor2D), cotangent)) as Scalar)(cost));
  return (['log', 'scaling'] as const).flatMap(domain => {
    const options: SinkhornOptions = { epsilon: EPSILON, iterations: T, domain };
    const forward = () => tf.tidy(() => sinkhorn(cost, options).plan);
    const peerForward = () => tf.tidy(() => composed(cost, T));
    checkEqual(forward, peerForward);
    const name = `sinkhorn ${N}×${E} T=${T} ${domain}`;
    const peer = 'tfjs ops and tape';
    return [
      { name: `${name}, forward`, ours: forward, peer, theirs: peerForward },
      {
        name: `${name}, forward and backward`,
        ours: gradient(c => sinkhorn(c, options).plan),
        peer,
        theirs: gradient(c => composed(c, T)),
      },
    ];
  });
}

function checkEqual(ours: () => Tensor, theirs: () => Tensor): void {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(ours(), theirs()))).dataSync()[0]!);
  if (!(difference < 1e-4)) throw new Error(`the plans differ by ${difference}: nothing to compare.`);
}
