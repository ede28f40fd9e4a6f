/** Makes the router of one layer, of a kind that knows nothing of other layers. */
import {
  CosineRouter,
  ExpertChoiceRouter,
  HashRouter,
  type LinearGateOptions,
  QuantileRouter,
  RandomRouter,
  type Router,
  SinkhornRouter,
  SoftmaxTopKRouter,
  TopKRouter,
} from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import type { RouterConfig, TopKRouterConfig } from './router-config.ts';

type LayerRouterConfig = Exclude<RouterConfig, { kind: 'spectra' | 'rmoe' | 'gru-switch' }>;
type LayerGate = Required<Pick<LinearGateOptions, 'experts' | 'hidden' | 'k' | 'prefix' | 'rng'>>;

/** `gate.prefix` names the layer. */
export function createRouter(router: LayerRouterConfig, gate: LayerGate): Router {
  switch (router.kind) {
    case 'softmax-topk':
      return new SoftmaxTopKRouter({ ...gate, ...softmaxOptions(router) });
    case 'cosine': {
      const { dimension, temperature } = router;
      const size = dimension === undefined ? {} : { dimension };
      return new CosineRouter({ ...gate, ...softmaxOptions(router), ...size, temperature });
    }
    case 's-base': {
      const { temperature, iterations, tolerance, z_loss: zLoss } = router;
      return new SinkhornRouter({ ...gate, temperature, iterations, tolerance, zLoss });
    }
    case 'quantile': {
      const { momentum, normalise, z_loss: zLoss } = router;
      return new QuantileRouter({ ...gate, ...given(normalise), momentum, zLoss });
    }
    case 'expert-choice':
      return new ExpertChoiceRouter({ ...gate, capacityFactor: router.capacity_factor, rho: router.rho });
    case 'hash':
    case 'random': {
      // not from the weights' stream: a model that is built to be loaded may have another seed
      const options = { ...gate, rng: new Rng(router.seed).split(gate.prefix) };
      return router.kind === 'hash' ? new HashRouter(options) : new RandomRouter(options);
    }
    default:
      return topKRouter(router, gate);
  }
}

function topKRouter(router: TopKRouterConfig, gate: LayerGate): TopKRouter {
  const {
    kind,
    correction_rate,
    kept_groups,
    group_top,
    balance_loss,
    sequence_loss,
    z_loss,
    orthogonality_loss,
    normalise,
    ...same
  } = router;
  return new TopKRouter({
    ...gate,
    ...same,
    ...given(normalise),
    correctionRate: correction_rate,
    keptGroups: kept_groups,
    groupTop: group_top,
    balanceLoss: balance_loss,
    sequenceLoss: sequence_loss,
    zLoss: z_loss,
    orthogonalityLoss: orthogonality_loss,
    ...(kind === 'simbal' ? { orthogonalGain: 1 } : {}),
  });
}

/** What the routers with softmax gates share. */
export function softmaxOptions(router: {
  readonly normalise?: boolean | undefined;
  readonly balance_loss: number;
  readonly z_loss: number;
}): { normalise?: boolean; balanceLoss: number; zLoss: number } {
  const { normalise, balance_loss: balanceLoss, z_loss: zLoss } = router;
  return { ...given(normalise), balanceLoss, zLoss };
}

const given = (normalise: boolean | undefined): { normalise?: boolean } =>
  normalise === undefined ? {} : { normalise };
