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
import { freshRouters } from './router-tensors.ts';

const LAYER = /(?:^|\.)(?:layers|h)\.(\d+)\./;

/** What weights may be, quantised ones as they read. */
const FLOATS: readonly string[] = ['F32', 'F16', 'BF16', 'F64', 'F8_E4M3', 'F8_E5M2'];

/**
 * Errors: `VALUE` for a dense model, `CHECKPOINT_MISMATCH` for experts or routers that are missing, misshapen or no floats,
 * and for such, or layers, that the configuration does not know of. Reads headers only; `setBackend` must have been awaited.
 */
export function moeOf(store: ModelStore, { family, architecture }: ModelDescription): MoeShape {
  const { moe, hidden } = architecture;
  checkValue(
    moe !== undefined,
    `${family.modelType} is dense: it has no experts.`,
    store.name,
    'Use mode copy, granular or drop.',
  );
  const own = [
    ...sparseLayers(architecture).flatMap(layer => expertTensors(layer, hidden, moe)),
    ...freshRouters(architecture, 0),
  ];
  const layout = bindTensors(own, family, architecture, name => store.has(name));
  const known = storedTensors(layout);
  for (const [name, shape] of known) {
    if (!store.has(name)) throw mismatch(`the tensor ${name} is missing.`, store.name);
    const { shape: found, dtype } = store.entry(name);
    if (String(found) !== String(shape)) {
      throw mismatch(`${name} is [${found}], the configuration asks for [${shape}].`, store.name);
    }
    if (!FLOATS.includes(dtype)) throw mismatch(`${name} is ${dtype}: no weights.`, store.name);
  }
  for (const name of store.names()) {
    if (known.has(name) || family.carried?.(name, architecture)) continue;
    const layer = Number(LAYER.exec(name)?.[1] ?? 0);
    if (layer >= architecture.layers.length || /\.experts\./.test(name) || routerLayer(name) !== undefined) {
      throw mismatch(`the configuration has no place for ${name}.`, store.name);
    }
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
