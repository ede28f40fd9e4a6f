/** The parts of one mixture-of-experts layer, each timed alone on random input: what the router costs. */
import { osrCost, SpectraRouterParameters } from '@spectra/gru-router';
import { dispatchPlan, type MoeLayer } from '@spectra/moe-layer';
import { gateWeights, type Routing, selectQuota, selectTopK } from '@spectra/routing';
import { sinkhorn } from '@spectra/sinkhorn';
import { normalise, Rng } from '@spectra/tensor';
import { freshModel, type TrainerConfig } from '@spectra/trainer';
import { DecoderModel } from '@spectra/transformer';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { TimingRow } from '../runs/row.ts';
import { median } from '../statistics/median.ts';
import { costFlops, sinkhornFlops } from '../suite/cost.ts';

const WARM_UP = 3;
const REPEATS = 15;
const CONTEXT = { balance: 'batch', training: false, step: 0 } as const;

/**
 * Median milliseconds of a forward pass by part, for one micro-batch under the training rule; `layer` is the whole.
 * Of a router other than SPECTRA, `router` is one part. The backend must be set.
 */
export async function timeParts(config: TrainerConfig): Promise<TimingRow[]> {
  const { batch, length } = config.data;
  const shape = freshModel(config);
  const [N, H] = [batch * length, shape.hidden_size];
  const { experts, k, intermediate_size: inner } = shape.moe!;
  const rng = new Rng(config.seed).split('timing');
  // one layer of the model
  const one = {
    ...shape,
    vocab_size: 2,
    num_hidden_layers: 1,
    moe: { ...shape.moe!, first_dense_layers: 0 },
  };
  const model = new DecoderModel(one, { seed: config.seed });
  const layer = model.layers[0]!.moe!;
  const x = rng.normalTensor([batch, length, H], 0, 1) as Tensor3D;
  const flat = x.reshape([N, H]) as Tensor2D;
  const context = { ...CONTEXT, balance: config.train.balance };
  const routing = layer.router.route(x, context);
  const rows: TimingRow[] = [];
  const add = async (part: string, flops: number, run: () => Tensor): Promise<void> => {
    rows.push({ part, milliseconds: await medianTime(run), flops });
  };
  const { router } = shape.moe!;
  if (router.kind === 'spectra') await timeSpectra(config, x, rng, add);
  else await add('router', 0, () => layer.router.route(x, context).weights);
  await add('dispatch', 0, () => dispatchPlan(routing.indices, experts).slotOfRow);
  await add('experts', 2 * N * k * 3 * H * inner, () => mix(layer, flat, routing));
  await add('layer', 0, () => layer.forward(x, context).output);
  const parts = rows.slice(0, -1).reduce((sum, { flops }) => sum + flops, 0);
  tf.dispose([x, flat, Object.values(routing) as unknown as Tensor[]]);
  model.dispose();
  return rows.map(row => (row.part === 'layer' ? { ...row, flops: parts } : row));
}

/** The experts without the plan, which is timed as dispatch. */
function mix(layer: MoeLayer, flat: Tensor2D, routing: Routing): Tensor {
  return layer.experts.mix(
    flat,
    routing.weights,
    dispatchPlan(routing.indices, layer.experts.count),
    routing.indices,
  );
}

type Add = (part: string, flops: number, run: () => Tensor) => Promise<void>;

async function timeSpectra(config: TrainerConfig, x: Tensor3D, rng: Rng, add: Add): Promise<void> {
  const shape = freshModel(config);
  const { moe, hidden_size: H } = shape;
  const { experts: E, k, router } = moe!;
  if (router.kind !== 'spectra') return;
  const [batch, length] = x.shape;
  const { router_dim: D, state_size: G, recurrence, expression, epsilon, iterations, groups, alpha } = router;
  const N = batch * length;
  const learned = new SpectraRouterParameters(
    { hidden: H, experts: E, routerDim: D, stateSize: G, recurrence, expression },
    rng.split('router'),
  );
  const below = rng.normalTensor([batch, length, G], 0, 0.5) as Tensor3D;
  const rows = x.reshape([N, H]) as Tensor2D;
  const recur = (): Tensor => learned.recurrence.run(x, { ...CONTEXT, below }).output;
  const width = recurrence === 'grid' ? H + G : H;
  await add('GRU', recurrence === 'none' ? 2 * N * H * G : 2 * N * 3 * G * (width + G), recur);

  const hidden = tf.tidy(() => recur().reshape([N, G])) as Tensor2D;
  const vectors = (): [Tensor3D, Tensor3D] => [
    normalise(learned.routingRows(hidden)) as Tensor3D,
    normalise(learned.expressionRows(rows)) as Tensor3D,
  ];
  const [R, X] = tf.tidy(vectors);
  const expressionFlops = expression === 'projector' ? 2 * N * H * E * D : 0;
  await add('projection', 2 * N * G * E * D + expressionFlops, () => tf.add(...vectors()));

  const { lambda, beta, tau } = router;
  const osr = osrCost(R, X, { lambda, beta, tau });
  await add(
    'Gram + cost',
    N * costFlops(shape) + 2 * E * E * D,
    () => osrCost(R, X, { lambda, beta, tau }).cost,
  );

  const { plan } = sinkhorn(osr.cost, { epsilon, iterations, groups });
  await add(
    'Sinkhorn',
    N * sinkhornFlops(shape),
    () => sinkhorn(osr.cost, { epsilon, iterations, groups }).plan,
  );
  const select = (): Tensor2D =>
    router.selection === 'quota'
      ? selectQuota(plan, k, alpha, { groups }).indices
      : selectTopK(plan, k, { groups });
  await add('selection', 0, () => gateWeights(plan, select(), { groups }));
  tf.dispose([below, rows, hidden, R, X, plan, osr.cost, osr.scores, osr.gram, osr.mean]);
  learned.dispose();
}

async function medianTime(run: () => Tensor): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + REPEATS; i++) {
    const began = performance.now();
    const result = tf.tidy(run);
    await result.data();
    result.dispose();
    if (i >= WARM_UP) times.push(performance.now() - began);
  }
  return median(times);
}
