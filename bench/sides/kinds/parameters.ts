/** Work over the packages' parameters, and filling them with the values that all sides share. */
import { type Parameter, valueAndGrads } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Work } from '../serve.ts';
import { type Forward, gradientWork, tensorOf } from '../tape.ts';

/** Forward and backward with respect to all `parameters`; it disposes them and `others`. */
export function parameterWork(
  parameters: readonly Parameter[],
  others: readonly tf.Tensor[],
  forward: () => Forward,
): Work {
  const variables = Object.fromEntries(parameters.map(p => [p.name, p.variable]));
  const work = gradientWork(variables, forward, loss => {
    const { value, grads } = valueAndGrads(loss, parameters);
    return { value, grads: Object.fromEntries(grads) };
  });
  return {
    ...work,
    dispose: () => {
      work.dispose();
      tf.dispose([...others]);
    },
  };
}

/** Gives every parameter the array of its name. */
export function fill(parameters: readonly Parameter[], inputs: Arrays): void {
  for (const { name, variable } of parameters) {
    const array = inputs[name];
    if (array === undefined) throw new Error(`the inputs lack ${name}.`);
    const value = tensorOf(array);
    variable.assign(value);
    value.dispose();
  }
}
