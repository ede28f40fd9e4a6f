/** Makes the routers of a model's mixture-of-experts layers from their configuration. */
import { spectraRouters } from '@spectra/gru-router';
import { ExpertChoiceRouter, type Router, SoftmaxTopKRouter } from '@spectra/routing';
import type { Rng } from '@spectra/tensor';
import type { ModelConfig } from './config.ts';
import type { MoeConfig } from './moe-config.ts';
import { spectraRouterOptions } from './spectra-router-config.ts';

/**
 * One router per mixture-of-experts layer, from below. Parameters are named `model.layers.{L}.mlp.router.…`, those that
 * all layers share `model.router.…`; each router has a state of its own in any case.
 */
export function createRouters(config: ModelConfig, moe: MoeConfig, rng: Rng): Router[] {
  const { router, experts, k, first_dense_layers: dense } = moe;
  const layers = config.num_hidden_layers - dense;
  const prefix = (layer: number | undefined): string =>
    layer === undefined ? 'model.router.' : `model.layers.${layer + dense}.mlp.router.`;
  const sizes = { hidden: config.hidden_size, experts, k };
  if (router.kind === 'spectra') {
    const options = { ...spectraRouterOptions(router), ...sizes, layers, sharing: router.sharing };
    return spectraRouters(options, rng.split('routers'), prefix);
  }
  return Array.from({ length: layers }, (_, layer) => {
    const gate = { ...sizes, prefix: prefix(layer), rng: rng.split(prefix(layer)) };
    if (router.kind === 'expert-choice') {
      return new ExpertChoiceRouter({ ...gate, capacityFactor: router.capacity_factor, rho: router.rho });
    }
    const { normalise, balance_loss: balanceLoss, z_loss: zLoss } = router;
    return new SoftmaxTopKRouter({ ...gate, normalise, balanceLoss, zLoss });
  });
}
