/** A model's weights and its routers' states as named tensors, to and from any store. */
import { checkTensors, type TensorSpec, type TensorStore, type WritableDtype } from '@spectra/checkpoint';
import type { HostArray, Router, RouterState } from '@spectra/routing';
import { SpectraError } from '@spectra/tensor';
import type { DecoderModel } from './decoder-model.ts';
import {
  bindTensors,
  boundSpecs,
  readBound,
  storedTensors,
  type TensorLayout,
} from './layout/tensor-layout.ts';

export interface ModelTensorOptions {
  /** How weights are stored; F32 by default. Router states are always F32: prices are sums of small steps. */
  readonly dtype?: WritableDtype;
}

/**
 * Everything a file must hold for the model to decode as it does now: the parameters in the layout of the file they
 * came from (else the family's published one), and the states of the routers where the family has a place for them, or
 * as `model.layers.{L}.mlp.router.state.{name}`. Reads each tensor when its turn comes.
 */
export function modelTensorSpecs(model: DecoderModel, options: ModelTensorOptions = {}): TensorSpec[] {
  const layout = model.layout ?? layoutOf(model);
  const parameters = new Map(model.parameters().map(({ name, variable }) => [name, variable]));
  const states = routerStates(model);
  const read = async (name: string): Promise<Float32Array> =>
    parameters.get(name)?.data<'float32'>() ?? Float32Array.from(states[name]!.data);
  const specs = boundSpecs(layout, read, name => (parameters.has(name) ? (options.dtype ?? 'F32') : 'F32'));
  const own = Object.entries(states).filter(([name]) => !layout.has(name));
  return [
    ...specs,
    ...own.map(
      ([name, { shape, data }]): TensorSpec => ({
        name,
        shape,
        dtype: 'F32',
        data: () => Float32Array.from(data),
      }),
    ),
  ];
}

/**
 * Fills every weight and every router's state from a store, tensor by tensor, in whichever of the family's layouts the
 * store has. Throws `CHECKPOINT_MISMATCH` where a tensor is missing, unknown or of another shape. Ignored are what the
 * family carries but does not run, a copy of a tied head and rotary frequencies.
 */
export async function loadModelTensors(model: DecoderModel, store: TensorStore): Promise<void> {
  const { family, architecture } = model.description;
  const layout = layoutOf(model, store);
  const prefixes = statePrefixes(model).filter(([router, prefix]) => !ruled(layout, router, prefix));
  const ignored = (name: string): boolean =>
    name.endsWith('rotary_emb.inv_freq') ||
    (name === 'lm_head.weight' && architecture.tied) ||
    (family.carried?.(name, architecture) ?? false) ||
    prefixes.some(([, prefix]) => name.startsWith(prefix));
  checkTensors(
    only(store, name => !ignored(name)),
    storedTensors(layout),
  );
  for (const { name, variable } of model.parameters()) {
    const bound = layout.get(name)!;
    const value = await readBound(store, bound);
    try {
      if (value.dtype !== variable.dtype) {
        throw new SpectraError('CHECKPOINT_MISMATCH', {
          message: `it holds ${value.dtype}, needed is ${variable.dtype}.`,
          where: `${store.name}, tensor ${bound.pieces[0]!.tensor}`,
        });
      }
      variable.assign(value);
    } finally {
      value.dispose();
    }
  }
  for (const [router, prefix] of statePrefixes(model)) {
    router.loadState(
      ruled(layout, router, prefix)
        ? await placedState(store, layout, router, prefix)
        : await ownState(store, prefix),
    );
  }
  model.layout = layout;
}

/** Where a file holds, or should hold, the parameters and those states that the family has a place for. */
function layoutOf(model: DecoderModel, store?: TensorStore): TensorLayout {
  const { family, architecture } = model.description;
  const states = Object.entries(routerStates(model)).map(([name, { shape }]) => ({ name, shape }));
  const placed = states.filter(state => family.tensors.some(rule => rule(state, architecture) !== undefined));
  const parameters = model.parameters().map(({ name, shape }) => ({ name, shape }));
  return bindTensors([...parameters, ...placed], family, architecture, store && (name => store.has(name)));
}

function ruled(layout: TensorLayout, router: Router, prefix: string): boolean {
  const names = Object.keys(router.state());
  return names.length > 0 && names.every(name => layout.has(prefix + name));
}

async function placedState(
  store: TensorStore,
  layout: TensorLayout,
  router: Router,
  prefix: string,
): Promise<RouterState> {
  const entries = Object.keys(router.state()).map(async (name): Promise<[string, HostArray]> => {
    const bound = layout.get(prefix + name)!;
    const { data } = await store.read(bound.pieces[0]!.tensor);
    return [name, { shape: bound.shape, data: Float32Array.from(data as Float32Array) }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function ownState(store: TensorStore, prefix: string): Promise<RouterState> {
  const names = store.names().filter(name => name.startsWith(prefix));
  const entries = names.map(async (name): Promise<[string, HostArray]> => {
    const { shape, data } = await store.read(name);
    return [name.slice(prefix.length), { shape, data: Float32Array.from(data as Float32Array) }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** The states of all routers under their checkpoint names; the arrays are the routers' own, not to be changed. */
export function routerStates(model: DecoderModel): RouterState {
  return Object.fromEntries(
    statePrefixes(model).flatMap(([router, prefix]) =>
      Object.entries(router.state()).map(([name, value]) => [prefix + name, value] as const),
    ),
  );
}

/** Puts states that `routerStates` gave back into the routers. */
export function loadRouterStates(model: DecoderModel, states: RouterState): void {
  for (const [router, prefix] of statePrefixes(model)) {
    const own = Object.entries(states).filter(([name]) => name.startsWith(prefix));
    router.loadState(Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value])));
  }
}

/** The router and the prefix of its state's names, of each mixture-of-experts layer. */
function statePrefixes(model: DecoderModel): (readonly [Router, string])[] {
  return model.layers.flatMap((layer, index) =>
    layer.moe === undefined ? [] : [[layer.moe.router, `model.layers.${index}.mlp.router.state.`] as const],
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
