/**
 * Sinkhorn forward and backward: the fused wasm kernel against the same method composed of tfjs ops and differentiated by the
 * tape (what one writes without this package; it runs on `@spectra/tensor`'s wasm kernels too). `--quick`, `--json FILE`.
 */
import { writeFileSync } from 'node:fs';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type SinkhornOptions, sinkhorn } from '../packages/sinkhorn/src/index.ts';
import { Rng, setBackend } from '../packages/tensor/src/index.ts';

interface Row {
  readonly case: string;
  readonly backend: string;
  readonly ours_ms: number;
  readonly peer: string;
  readonly peer_ms: number;
  readonly ratio: number;
}

const quick = process.argv.includes('--quick');
const json = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : undefined;
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

/** Median of interleaved runs in ms: what disturbs one side disturbs the other. */
async function race(ours: () => Tensor, peer: () => Tensor): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  const repeats = quick ? 7 : 21;
  for (let i = -2; i < repeats; i++) {
    for (const [side, f] of [ours, peer].entries()) {
      const from = performance.now();
      const result = f();
      await result.data();
      const spent = performance.now() - from;
      result.dispose();
      if (i >= 0) times[side]!.push(spent);
    }
  }
  const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
  return [median(times[0]), median(times[1])];
}

await setBackend('wasm');
const rows: Row[] = [];
for (const [N, E, T] of [
  [2048, 32, 3],
  [4096, 64, 5],
] as const) {
  const rng = new Rng(1);
  const cost = rng.uniformTensor([N, E], -1, 1) as Tensor2D;
  const cotangent = rng.normalTensor([N, E]);
  const gradient = (plan: (c: Tensor2D) => Tensor) => () =>
    tf.tidy(() => tf.grad((c: Tensor) => tf.sum(tf.mul(plan(c as Tensor2D), cotangent)) as Scalar)(cost));
  for (const domain of ['log', 'scaling'] as const) {
    const options: SinkhornOptions = { epsilon: EPSILON, iterations: T, domain };
    for (const [what, ours, peer] of [
      ['forward', () => tf.tidy(() => sinkhorn(cost, options).plan), () => tf.tidy(() => composed(cost, T))],
      ['forward+backward', gradient(c => sinkhorn(c, options).plan), gradient(c => composed(c, T))],
    ] as [string, () => Tensor, () => Tensor][]) {
      const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(ours(), peer()))).dataSync()[0]!);
      if (!(difference < 1e-2)) throw new Error(`${what} differs by ${difference}: nothing to compare.`);
      const [oursMs, peerMs] = await race(ours, peer);
      rows.push({
        case: `${what} ${N}×${E} T=${T} ${domain}`,
        backend: 'wasm',
        ours_ms: Number(oursMs.toFixed(3)),
        peer: 'tfjs ops + tape',
        peer_ms: Number(peerMs.toFixed(3)),
        ratio: Number((peerMs / oursMs).toFixed(2)),
      });
    }
  }
  tf.dispose([cost, cotangent]);
}
console.table(rows);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(rows, null, 1)}\n`);
