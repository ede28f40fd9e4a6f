/** The routers of a stack of layers: with parameters of their own, or with one set that all share. */
import type { Rng } from '@spectra/tensor';
import type { SpectraRouterOptions } from './options.ts';
import { SpectraRouterParameters } from './parameters.ts';
import { SpectraRouter } from './spectra-router.ts';

export interface SpectraRoutersOptions extends Omit<SpectraRouterOptions, 'depthEmbedding'> {
  readonly layers: number;
  /** `global`: one set of parameters and a learned depth embedding. `per-layer` (default): one set each. */
  readonly sharing?: 'per-layer' | 'global';
}

/**
 * One router per layer, bottom up. Each keeps its own prices and averages, also where parameters are shared; then
 * all list the same `Parameter` objects, of which an optimizer must take each once.
 *
 * @param prefix of parameter names, given the layer, or `undefined` for shared ones.
 * @param wanted the layers to make routers of, all by default; each is the same whichever others are made.
 */
export function spectraRouters(
  options: SpectraRoutersOptions,
  rng: Rng,
  prefix: (layer: number | undefined) => string = layer =>
    layer === undefined ? 'router.' : `layers.${layer}.router.`,
  wanted: readonly number[] = everyLayer(options.layers),
): SpectraRouter[] {
  const { layers, sharing = 'per-layer', ...rest } = options;
  const shared =
    sharing === 'global'
      ? new SpectraRouterParameters({ ...rest, depthEmbedding: layers }, rng, prefix(undefined))
      : undefined;
  return wanted.map(layer => {
    const learned = shared ?? new SpectraRouterParameters(rest, rng.split('layer', layer), prefix(layer));
    return new SpectraRouter(learned, rest, layer);
  });
}

/** 0 … layers − 1. */
export function everyLayer(layers: number): number[] {
  return Array.from({ length: layers }, (_, layer) => layer);
}
