/** A module's parameters to and from a store, under their own names. */
import { type Parameter, SpectraError } from '@spectra/tensor';
import type { WritableDtype } from './convert.ts';
import { type TensorSpec, tensorSpec } from './safetensors-writer.ts';
import { checkTensors, readTensor, type TensorStore, tensorPlace } from './tensor-store.ts';

export interface ParameterNaming {
  /** The tensor's name in the file; the parameter's own by default. */
  readonly rename?: (name: string) => string;
}

/** Specs that read each parameter when its turn comes; F32 by default. */
export function parameterSpecs(
  parameters: readonly Parameter[],
  options: ParameterNaming & { readonly dtype?: WritableDtype } = {},
): TensorSpec[] {
  return parameters.map(({ name, variable }) =>
    tensorSpec(options.rename?.(name) ?? name, variable, options.dtype),
  );
}

/**
 * Assigns every parameter from the store, one at a time. Before the first is touched, names and shapes are compared:
 * `CHECKPOINT_MISMATCH` lists all that differ. `allowUnknown` lets the store hold more than the parameters.
 */
export async function loadParameters(
  store: TensorStore,
  parameters: readonly Parameter[],
  options: ParameterNaming & { readonly allowUnknown?: boolean } = {},
): Promise<void> {
  const named = parameters.map(
    parameter => [options.rename?.(parameter.name) ?? parameter.name, parameter] as const,
  );
  checkTensors(
    store,
    named.map(([name, { shape }]) => [name, shape] as const),
    options,
  );
  for (const [name, { variable }] of named) {
    const value = await readTensor(store, name);
    try {
      if (value.dtype !== variable.dtype) {
        throw new SpectraError('CHECKPOINT_MISMATCH', {
          message: `it holds ${value.dtype}, needed is ${variable.dtype}.`,
          where: tensorPlace(store.name, name),
        });
      }
      variable.assign(value);
    } finally {
      value.dispose();
    }
  }
}
