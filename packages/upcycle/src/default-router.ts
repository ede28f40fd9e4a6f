/** Which SPECTRA router suits a model that has experts already. */
import { checkValue } from '@spectra/tensor';
import { type Architecture, type SpectraRouterConfig, spectra } from '@spectra/transformer';

/** Above this many weights in the projections of all layers, another expression is the default. */
const MOST_PROJECTED = 64e6;

export interface DefaultRouter {
  readonly router: SpectraRouterConfig;
  /** E·D·H·layers: the weights that the tokens' projections have, or would have. */
  readonly projected: number;
}

/**
 * SPECTRA with its defaults, which project every token to each expert's space, as long as all layers' projections have at
 * most 64 million weights; beyond that with a learned vector per expert and one set of weights for all layers, which has
 * thousands of times fewer. `VALUE` for a dense model.
 */
export function defaultRouter({ hidden, layers, moe }: Architecture): DefaultRouter {
  checkValue(moe !== undefined, 'it is dense: it has no experts.', 'defaultRouter');
  const router = spectra();
  const sparse = layers.filter(layer => layer.sparse).length;
  const projected = moe.experts * router.router_dim * hidden * sparse;
  return projected <= MOST_PROJECTED
    ? { router, projected }
    : { router: spectra({ expression: 'embedding', sharing: 'global' }), projected };
}
