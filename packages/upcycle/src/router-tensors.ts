/** Fresh routers as tensors to be written. */
import { sizeOf } from '@spectra/checkpoint';
import { Rng } from '@spectra/tensor';
import { type Architecture, createRouters, type NamedShape, type RouterConfig } from '@spectra/transformer';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface FreshTensor extends NamedShape {
  readonly role: 'router' | 'state';
  readonly values: () => Promise<Float32Array>;
}

/**
 * Parameters and states of the routers of an architecture, drawn from `seed`. With `repeats` > 1 the rows of a linear
 * gate are those of the first group, once per group, so that the parts of one replica are chosen together (He et al.
 * 2024, virtual groups). `setBackend` must have been awaited. Values are in host memory.
 */
export async function freshRouters(
  architecture: Architecture,
  seed: number,
  repeats = 1,
): Promise<FreshTensor[]> {
  const routers = createRouters(architecture, new Rng(seed));
  const found = new Map<string, FreshTensor>();
  for (const [layer, router] of routers) {
    for (const { name, variable } of router.parameters()) {
      if (found.has(name)) continue; // one that all layers share
      const { shape } = variable;
      const data = (await (variable as Tensor).data()) as Float32Array;
      const values = /\.router\.gate\.weight$/.test(name) ? repeated(data, shape, repeats) : data;
      found.set(name, { name, shape, role: 'router', values: async () => values });
    }
    for (const [key, { shape, data }] of Object.entries(router.state())) {
      const name = `model.layers.${layer}.mlp.router.state.${key}`;
      found.set(name, { name, shape, role: 'state', values: async () => Float32Array.from(data) });
    }
  }
  // once: a global router's parameters belong to several layers
  for (const parameter of new Set([...routers.values()].flatMap(router => router.parameters()))) {
    parameter.dispose();
  }
  return [...found.values()];
}

function repeated(data: Float32Array, shape: readonly number[], repeats: number): Float32Array {
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

/** Whether the k gates sum to 1 (SPECTRA: in each of its groups). */
export function gatesSumToOne(router: RouterConfig, k: number): boolean {
  switch (router.kind) {
    case 'spectra':
      return true;
    case 'topk':
    case 'deepseek-v3':
    case 'simbal':
    case 'ernie':
      return router.normalise && router.scale === 1;
    case 'quantile':
      return router.normalise;
    case 'softmax-topk':
    case 'cosine':
    case 'rmoe':
    case 'gru-switch':
      return router.normalise ?? k >= 2;
    default:
      return false;
  }
}
