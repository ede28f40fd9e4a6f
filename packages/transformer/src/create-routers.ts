/** Makes the routers of a model's mixture-of-experts layers from their configuration. */
import { gruSwitchRouters, rmoeRouters, spectraRouters } from '@spectra/gru-router';
import { CopiedRouter, type Router } from '@spectra/routing';
import type { Rng } from '@spectra/tensor';
import type { Architecture } from './architecture.ts';
import { createRouter, softmaxOptions } from './create-router.ts';
import { spectraRouterOptions } from './spectra-router-config.ts';

/**
 * One router per mixture-of-experts layer, by the layer's number, from below. Parameters are named
 * `model.layers.{L}.mlp.router.…`, those that all layers share `model.router.…`; each router has a state of its own in
 * any case. `wanted` are the layers to make routers of, all by default: each is the same whichever others are made, but
 * routers that share parameters share them only with those made by the same call.
 */
export function createRouters(
  { hidden, layers, moe }: Pick<Architecture, 'hidden' | 'layers' | 'moe'>,
  rng: Rng,
  wanted?: readonly number[],
): Map<number, Router> {
  if (moe === undefined) return new Map();
  const { router, copies = 1 } = moe;
  const sparse = layers.flatMap((layer, index) => (layer.sparse ? [index] : []));
  const prefix = (layer: number | undefined): string =>
    layer === undefined ? 'model.router.' : `model.layers.${sparse[layer]}.mlp.router.`;
  const sizes = { hidden, experts: moe.experts / copies, k: moe.k / copies };
  const stack = { ...sizes, layers: sparse.length };
  const places = [...sparse.keys()].filter(place => wanted?.includes(sparse[place]!) ?? true);
  const made = ((): Router[] => {
    switch (router.kind) {
      case 'spectra': {
        const options = { ...spectraRouterOptions(router), ...stack, sharing: router.sharing };
        return spectraRouters(options, rng.split('routers'), prefix, places);
      }
      case 'rmoe': {
        const options = { ...softmaxOptions(router), ...stack, stateSize: router.state_size };
        return rmoeRouters(options, rng.split('routers'), prefix, places);
      }
      case 'gru-switch': {
        const { recurrence, sharing, state_size: stateSize } = router;
        const options = { ...softmaxOptions(router), ...stack, recurrence, sharing, stateSize };
        return gruSwitchRouters(options, rng.split('routers'), prefix, places);
      }
      default:
        return places.map(layer => {
          const name = prefix(layer);
          return createRouter(router, { ...sizes, prefix: name, rng: rng.split(name) });
        });
    }
  })();
  const all = copies === 1 ? made : made.map(one => new CopiedRouter(one, copies));
  return new Map(all.map((one, i) => [sparse[places[i]!]!, one]));
}
