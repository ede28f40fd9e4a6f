/** Makes the router of each mixture-of-experts layer, with the parameters that layers share made once. */
import { SpectraRouter, SpectraRouterParameters } from '@spectra/gru-router';
import { ExpertChoiceRouter, type Router, SoftmaxTopKRouter } from '@spectra/routing';
import type { Rng } from '@spectra/tensor';
import type { ModelConfig } from './config.ts';
import type { MoeConfig } from './moe-config.ts';
import { type SpectraRouterConfig, spectraRouterOptions } from './spectra-router-config.ts';

/** Where the shared parameters of a global router have their names. */
const GLOBAL_PREFIX = 'model.router.';

export class RouterFactory {
  private readonly hidden: number;
  /** Mixture-of-experts layers. */
  private readonly layers: number;
  private readonly moe: MoeConfig;
  private readonly rng: Rng;
  private shared: SpectraRouterParameters | undefined;

  /** Each router draws from a stream of `rng` named by its prefix. */
  constructor(config: ModelConfig, moe: MoeConfig, rng: Rng) {
    this.hidden = config.hidden_size;
    this.layers = config.num_hidden_layers - moe.first_dense_layers;
    this.moe = moe;
    this.rng = rng;
  }

  /** The router of decoder layer `index`, with a state of its own also where parameters are shared. */
  router(index: number): Router {
    const { router, experts, k } = this.moe;
    const prefix = `model.layers.${index}.mlp.router.`;
    if (router.kind === 'spectra') {
      const learned = this.spectraParameters(router, prefix);
      return new SpectraRouter(
        learned,
        { ...spectraRouterOptions(router), k },
        index - this.moe.first_dense_layers,
      );
    }
    const gate = { experts, hidden: this.hidden, k, prefix, rng: this.rng.split(prefix) };
    if (router.kind === 'softmax-topk') {
      const { normalise, balance_loss: balanceLoss, z_loss: zLoss } = router;
      return new SoftmaxTopKRouter({ ...gate, normalise, balanceLoss, zLoss });
    }
    return new ExpertChoiceRouter({ ...gate, capacityFactor: router.capacity_factor, rho: router.rho });
  }

  private spectraParameters(router: SpectraRouterConfig, prefix: string): SpectraRouterParameters {
    const shape = { ...spectraRouterOptions(router), hidden: this.hidden, experts: this.moe.experts };
    if (router.sharing === 'per-layer')
      return new SpectraRouterParameters(shape, this.rng.split(prefix), prefix);
    this.shared ??= new SpectraRouterParameters(
      { ...shape, depthEmbedding: this.layers },
      this.rng.split(GLOBAL_PREFIX),
      GLOBAL_PREFIX,
    );
    return this.shared;
  }
}
