/** Routers as tensors to be written: fresh ones, made layer by layer when they are asked for, or given ones. */
import { sizeOf } from '@spectra/checkpoint';
import { gatesSumToOne, type HostArray, type Router } from '@spectra/routing';
import { BlankRng, Rng, readTensors } from '@spectra/tensor';
import { type Architecture, createRouters, type NamedShape, type RouterConfig } from '@spectra/transformer';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface RouterTensor extends NamedShape {
  readonly role: 'router' | 'state';
  readonly values: () => Promise<Float32Array>;
}

/**
 * Parameters and states of the routers of an architecture, drawn from `seed` when their values are asked for: one layer's
 * are in memory at a time. With `repeats` > 1 the rows of a linear gate are those of the first group, once per group, so
 * that the parts of one replica are chosen together (He et al. 2024, virtual groups). `setBackend` must have been awaited.
 */
export function freshRouters(architecture: Architecture, seed: number, repeats = 1): RouterTensor[] {
  const sparse = architecture.layers.flatMap((layer, i) => (layer.sparse ? [i] : []));
  const found = new Map<string, RouterTensor>();
  let last: { readonly layer: number; readonly values: Promise<Map<string, Float32Array>> } | undefined;
  const drawn = async (layer: number, name: string): Promise<Float32Array> => {
    if (last?.layer !== layer) last = { layer, values: drawLayer(architecture, seed, layer) };
    return (await last.values).get(name)!;
  };
  for (const layer of sparse) {
    const router = createRouters(architecture, new BlankRng(), [layer]).get(layer)!;
    for (const parameter of router.parameters()) {
      const { name, shape } = parameter;
      parameter.dispose();
      if (found.has(name)) continue; // one that all layers share
      const copies = /\.router\.gate\.weight$/.test(name) ? repeats : 1;
      const values = async () => repeated(await drawn(layer, name), shape, copies);
      found.set(name, { name, shape, role: 'router', values });
    }
    for (const state of stateTensors(layer, router)) found.set(state.name, state);
  }
  return [...found.values()];
}

/** The same of routers that are there, by layer; they stay the caller's and must live until they are written. */
export function routerTensors(routers: ReadonlyMap<number, Router>): RouterTensor[] {
  const found = new Map<string, RouterTensor>();
  for (const [layer, router] of routers) {
    for (const { name, shape, variable } of router.parameters()) {
      const values = async () => (await (variable as Tensor).data()) as Float32Array;
      found.set(name, { name, shape, role: 'router', values });
    }
    for (const state of stateTensors(layer, router)) found.set(state.name, state);
  }
  return [...found.values()];
}

function stateTensors(layer: number, router: Router): RouterTensor[] {
  return Object.entries(router.state()).map(([key, { shape, data }]: [string, HostArray]) => ({
    name: `model.layers.${layer}.mlp.router.state.${key}`,
    shape,
    role: 'state',
    values: async () => Float32Array.from(data),
  }));
}

/** The parameters of one layer's router. */
async function drawLayer(
  architecture: Architecture,
  seed: number,
  layer: number,
): Promise<Map<string, Float32Array>> {
  const parameters = createRouters(architecture, new Rng(seed), [layer]).get(layer)!.parameters();
  const named = Object.fromEntries(parameters.map(({ name, variable }) => [name, variable as Tensor]));
  try {
    const host = await readTensors(named);
    return new Map(Object.entries(host).map(([name, data]) => [name, data as Float32Array]));
  } finally {
    for (const parameter of parameters) parameter.dispose();
  }
}

function repeated(data: Float32Array, shape: readonly number[], repeats: number): Float32Array {
  if (repeats === 1) return data;
  const group = data.subarray(0, sizeOf(shape) / repeats);
  const all = new Float32Array(data.length);
  for (let i = 0; i < repeats; i++) all.set(group, i * group.length);
  return all;
}

/** Whether a router is a linear gate, whose rows can be repeated. */
export function hasLinearGate(router: RouterConfig): boolean {
  return ['softmax-topk', 'topk', 'deepseek-v3', 'simbal', 'ernie', 's-base', 'quantile'].includes(
    router.kind,
  );
}

/** What the gates of every token sum to, before the layer's ρ; none where that is no constant. */
export function gateSum(router: RouterConfig, k: number): number | undefined {
  switch (router.kind) {
    case 'spectra':
      return router.groups;
    case 'topk':
    case 'deepseek-v3':
    case 'simbal':
    case 'ernie':
      return gatesSumToOne(router, k) ? router.scale : undefined;
    case 'quantile':
    case 'softmax-topk':
    case 'cosine':
    case 'rmoe':
    case 'gru-switch':
      return gatesSumToOne(router, k) ? 1 : undefined;
    case 'hash':
    case 'random':
      return 1;
    case 'expert-choice':
    case 's-base':
      return undefined;
  }
}
