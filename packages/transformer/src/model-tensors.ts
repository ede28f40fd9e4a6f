/** A model's weights and its routers' states as named tensors, to and from any store. */
import {
  loadParameters,
  parameterSpecs,
  type TensorSpec,
  type TensorStore,
  type WritableDtype,
} from '@spectra/checkpoint';
import type { HostArray, RouterState } from '@spectra/routing';
import type { DecoderModel } from './decoder-model.ts';

export interface ModelTensorOptions {
  /** How weights are stored; F32 by default. Router states are always F32: prices are sums of small steps. */
  readonly dtype?: WritableDtype;
}

/**
 * Everything a file must hold for the model to decode as it does now: each parameter under its own name, and the
 * states of the routers as `model.layers.{L}.mlp.router.state.{name}`. Reads each tensor when its turn comes.
 */
export function modelTensorSpecs(model: DecoderModel, options: ModelTensorOptions = {}): TensorSpec[] {
  const states = Object.entries(routerStates(model)).map(
    ([name, { shape, data }]): TensorSpec => ({
      name,
      shape,
      dtype: 'F32',
      data: () => Float32Array.from(data),
    }),
  );
  return [...parameterSpecs(model.parameters(), options), ...states];
}

/**
 * Fills every weight and every router's state from a store. Throws `CHECKPOINT_MISMATCH` where a tensor is missing,
 * unknown or of another shape. Ignored are what published Llama files may hold besides: a copy of a tied head and
 * rotary frequencies.
 */
export async function loadModelTensors(model: DecoderModel, store: TensorStore): Promise<void> {
  const prefixes = statePrefixes(model);
  const ignored = (name: string): boolean =>
    name.endsWith('.rotary_emb.inv_freq') ||
    (name === 'lm_head.weight' && model.config.tie_word_embeddings) ||
    prefixes.some(([prefix]) => name.startsWith(prefix));
  await loadParameters(
    only(store, name => !ignored(name)),
    model.parameters(),
  );
  for (const [prefix, router] of prefixes) {
    const names = store.names().filter(name => name.startsWith(prefix));
    const entries = await Promise.all(
      names.map(async (name): Promise<[string, HostArray]> => {
        const { shape, data } = await store.read(name);
        return [name.slice(prefix.length), { shape, data: Float32Array.from(data as Float32Array) }];
      }),
    );
    router.loadState(Object.fromEntries(entries));
  }
}

/** The states of all routers under their checkpoint names; the arrays are the routers' own, not to be changed. */
export function routerStates(model: DecoderModel): RouterState {
  return Object.fromEntries(
    statePrefixes(model).flatMap(([prefix, router]) =>
      Object.entries(router.state()).map(([name, value]) => [prefix + name, value] as const),
    ),
  );
}

/** Puts states that `routerStates` gave back into the routers. */
export function loadRouterStates(model: DecoderModel, states: RouterState): void {
  for (const [prefix, router] of statePrefixes(model)) {
    const own = Object.entries(states).filter(([name]) => name.startsWith(prefix));
    router.loadState(Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value])));
  }
}

function statePrefixes(model: DecoderModel) {
  return model.layers.flatMap((layer, index) =>
    layer.moe === undefined ? [] : [[`model.layers.${index}.mlp.router.state.`, layer.moe.router] as const],
  );
}

/** A view of a store that shows only some names. */
function only(store: TensorStore, keep: (name: string) => boolean): TensorStore {
  return {
    name: store.name,
    metadata: store.metadata,
    names: () => store.names().filter(keep),
    has: name => keep(name) && store.has(name),
    entry: name => store.entry(name),
    read: (name, options) => store.read(name, options),
    close: () => store.close(),
  };
}
