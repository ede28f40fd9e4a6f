/** Trains new routers to choose as the old ones did. */
import type { HostArray, HostStatistics } from '@spectra/routing';
import {
  AdamW,
  GradientAccumulator,
  learningRate,
  Rng,
  readTensors,
  type Schedule,
  valueAndGrads,
} from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Carry, inputRows, rowsOf, type TaughtLayer, targetRows } from './taught-layer.ts';

export interface FitOptions {
  readonly steps: number;
  /** Further steps in which only averages and prices move. */
  readonly settling: number;
  /** The highest; it rises over a twentieth of the steps and falls to 0 along half a cosine. */
  readonly learningRate: number;
  /** Tokens of a step: as many rows as fit, at least one. */
  readonly batchTokens: number;
  readonly seed: number;
}

/**
 * Minimises the cross-entropy of the routers' causal probabilities against the old gates on `rows`, by AdamW, and commits
 * each step's statistics, so that averages and prices are those of the calibration text. `layers` are in order from below:
 * several only where they share parameters. In memory are one layer's activations of one step.
 */
export async function fitRouters(
  layers: readonly TaughtLayer[],
  rows: readonly number[],
  below: Carry | undefined,
  options: FitOptions,
): Promise<void> {
  const { steps, settling, learningRate: peak, batchTokens, seed } = options;
  const { length } = layers[0]!;
  const parameters = [...new Set(layers.flatMap(({ router }) => router.parameters()))];
  const optimizer = new AdamW(parameters, { weightDecay: 0 });
  const schedule: Schedule = {
    kind: 'cosine',
    peak,
    warmupSteps: Math.ceil(steps / 20),
    steps,
    finalRatio: 0,
  };
  const order = new RowOrder(rows, new Rng(seed).split('calibration rows', layers[0]!.layer));
  const together = Math.min(rows.length, Math.max(1, Math.floor(batchTokens / length)));
  const gradients = new GradientAccumulator();
  try {
    for (let step = 0; step < steps + settling; step++) {
      const some = order.next(together);
      let context = below === undefined ? undefined : rowsOf(below, some, length);
      const statistics: HostStatistics[] = [];
      for (const layer of layers) {
        const found = await gradientOf(layer, some, context, step);
        gradients.add(found.grads);
        tf.dispose([...found.grads.values(), ...(context === undefined ? [] : [context])]);
        context = found.carry;
        statistics.push(found.statistics);
      }
      context?.dispose();
      const summed = gradients.take();
      if (step < steps) optimizer.step(summed, learningRate(schedule, step));
      tf.dispose([...summed.values()]);
      for (const [i, { router }] of layers.entries()) router.commit([statistics[i]!]);
    }
  } finally {
    gradients.dispose();
    optimizer.dispose();
  }
}

interface LayerGradient {
  readonly grads: Map<string, tf.Tensor>;
  readonly carry: tf.Tensor3D | undefined;
  readonly statistics: HostStatistics;
}

/** The context from below is a constant: each layer learns from its own choices. */
async function gradientOf(
  layer: TaughtLayer,
  rows: readonly number[],
  below: tf.Tensor3D | undefined,
  step: number,
): Promise<LayerGradient> {
  const { router } = layer;
  const kept: Record<string, tf.Tensor> = {};
  let carry: tf.Tensor3D | undefined;
  const [x, target] = [inputRows(layer, rows), targetRows(layer, rows)];
  const { grads, value } = valueAndGrads(() => {
    const routing = router.route(x, {
      balance: 'none',
      training: true,
      step,
      ...(below === undefined ? {} : { below }),
    });
    for (const [name, tensor] of Object.entries(routing.statistics)) kept[name] = tf.keep(tensor.clone());
    if (routing.carry !== undefined) carry = tf.keep(routing.carry.clone());
    const logs = tf.log(tf.maximum(routing.probabilities, 1e-30));
    return tf.neg(tf.mean(tf.sum(tf.mul(target, logs), 1))) as tf.Scalar;
  }, router.parameters());
  tf.dispose([x, target, value]);
  const host = await readTensors(kept);
  const statistics = Object.entries(host).map(([name, data]): [string, HostArray] => [
    name,
    { shape: kept[name]!.shape, data: data as Float32Array | Int32Array },
  ]);
  tf.dispose(kept);
  return { grads, carry, statistics: Object.fromEntries(statistics) };
}

/** Rows in a new random order every time all have had their turn. */
class RowOrder {
  private readonly rows: readonly number[];
  private readonly rng: Rng;
  private waiting: number[] = [];

  constructor(rows: readonly number[], rng: Rng) {
    this.rows = rows;
    this.rng = rng;
  }

  next(count: number): number[] {
    if (this.waiting.length < count) this.waiting.push(...this.rng.shuffle([...this.rows]));
    return this.waiting.splice(0, count);
  }
}
