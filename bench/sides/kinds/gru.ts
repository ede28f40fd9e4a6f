/** The router's recurrence alone, over a sequence. */
import { gruSequence } from '@spectra/gru-router';
import { Parameter } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Work } from '../serve.ts';
import { tensorOf } from '../tape.ts';
import { parameterWork } from './parameters.ts';

export function gruWork(inputs: Arrays): Work {
  const { x, cotangent, ...weights } = inputs;
  const input = new Parameter('x', tensorOf(x!));
  const dy = tensorOf(cotangent!);
  const parameters = Object.entries(weights).map(([name, array]) => new Parameter(name, tensorOf(array)));
  const variable = (name: string) => parameters.find(p => p.name === name)!.variable as tf.Tensor;
  return parameterWork([input, ...parameters], [dy], () => {
    const { output } = gruSequence(input.variable as tf.Tensor as Tensor3D, {
      weightIh: variable('gru.weight_ih') as Tensor2D,
      weightHh: variable('gru.weight_hh') as Tensor2D,
      biasIh: variable('gru.bias_ih') as Tensor1D,
      biasHh: variable('gru.bias_hh') as Tensor1D,
    });
    return { loss: tf.sum(tf.mul(output, dy)), outputs: { output } };
  });
}
