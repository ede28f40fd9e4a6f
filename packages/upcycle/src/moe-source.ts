/** A mixture of experts in a file: that all of its experts and routers are there. */
import type { ModelStore } from '@spectra/checkpoint';
import { isGated } from '@spectra/moe-layer';
import { checkValue } from '@spectra/tensor';
import {
  type Architecture,
  bindTensors,
  type ModelDescription,
  type MoeShape,
  type NamedShape,
  storedTensors,
} from '@spectra/transformer';
import { mismatch } from './plan.ts';
import { routerLayer } from './router-names.ts';

/** Errors: `VALUE` for a dense model, `CHECKPOINT_MISMATCH` for experts or routers that are missing or misshapen. */
export function moeOf(store: ModelStore, { family, architecture }: ModelDescription): MoeShape {
  const { moe } = architecture;
  checkValue(
    moe !== undefined,
    `${family.modelType} is dense: it has no experts.`,
    store.name,
    'Use mode copy, granular or drop.',
  );
  for (const layer of sparseLayers(architecture)) {
    const own = expertTensors(layer, architecture.hidden, moe);
    const layout = bindTensors(own, family, architecture, name => store.has(name));
    for (const [name, shape] of storedTensors(layout)) {
      if (!store.has(name)) throw mismatch(`the tensor ${name} is missing.`, store.name);
      const found = store.entry(name).shape;
      if (String(found) !== String(shape)) {
        throw mismatch(`${name} is [${found}], the configuration asks for [${shape}].`, store.name);
      }
    }
  }
  const routed = new Set(store.names().map(routerLayer));
  const without = sparseLayers(architecture).find(layer => !routed.has(layer) && !routed.has(-1));
  if (without !== undefined && !['hash', 'random'].includes(moe.router.kind)) {
    throw mismatch(`layer ${without} has no router.`, store.name);
  }
  return moe;
}

export function sparseLayers({ layers }: Architecture): number[] {
  return layers.flatMap((layer, i) => (layer.sparse ? [i] : []));
}

function expertTensors(layer: number, hidden: number, moe: MoeShape): NamedShape[] {
  const { experts, intermediate, bias, activation } = moe;
  const gated = isGated(activation);
  const [up, rows] = gated ? ['gate_up_proj', 2 * intermediate] : ['up_proj', intermediate];
  const name = (suffix: string): string => `model.layers.${layer}.mlp.experts.${suffix}`;
  return [
    { name: name(up as string), shape: [experts, rows as number, hidden] },
    { name: name('down_proj'), shape: [experts, hidden, intermediate] },
    ...(bias
      ? [
          { name: name(`${up}_bias`), shape: [experts, rows as number] },
          { name: name('down_proj_bias'), shape: [experts, hidden] },
        ]
      : []),
  ];
}
