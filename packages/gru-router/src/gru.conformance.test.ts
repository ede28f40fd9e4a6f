import { expectClose, type Fixture, fixture, gradientsOf, pairing, testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GruWeights, gruDepth, gruGrid, gruSequence } from './gru.ts';

const golden = fixture('gru');
const NAMES = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'];

type Values = Readonly<Record<string, Tensor>>;

function weightsOf(values: Values, layer: number): GruWeights {
  const [weightIh, weightHh, biasIh, biasHh] = NAMES.map(n => values[n] ?? values[`${n}_${layer}`]);
  return { weightIh, weightHh, biasIh, biasHh } as GruWeights;
}

/** Every layer of the stack, bottom up: outputs [L,B,S,G] and final states [L,B,G]. */
function stack(recurrence: string, values: Values, layers: number): { output: Tensor; final?: Tensor } {
  const mask = values.mask as Tensor2D | undefined;
  const outputs: Tensor3D[] = [];
  const states: Tensor2D[] = [];
  for (let layer = 0; layer < layers; layer++) {
    let x = tf.squeeze(tf.slice(values.x!, [layer, 0, 0, 0], [1, -1, -1, -1]), [0]);
    if (values.depth_embedding !== undefined) {
      x = tf.add(x, tf.slice(values.depth_embedding, [layer, 0], [1, -1]));
    }
    const options = { below: outputs.at(-1), mask };
    if (recurrence === 'depth') {
      outputs.push(gruDepth(x as Tensor3D, weightsOf(values, layer), options));
    } else {
      const { output, state } = gruGrid(x as Tensor3D, weightsOf(values, layer), options);
      outputs.push(output);
      states.push(state);
    }
  }
  return { output: tf.stack(outputs), ...(states.length === 0 ? {} : { final: tf.stack(states) }) };
}

function inputsOf(f: Fixture, name: string): Record<string, Tensor> {
  const known = [
    'x',
    'h0',
    'depth_embedding',
    ...NAMES.flatMap(n => [n, ...Array.from({ length: 9 }, (_, i) => `${n}_${i}`)]),
  ];
  return Object.fromEntries(known.filter(k => f.has(`${name}.${k}`)).map(k => [k, f.tensor(`${name}.${k}`)]));
}

describe('recurrences against torch.nn.GRU and GRUCell', () => {
  beforeAll(testBackend);

  for (const [name, { params }] of Object.entries(golden.cases)) {
    it(name, async () => {
      const inputs = inputsOf(golden, name);
      const mask = golden.has(`${name}.mask`) ? { mask: golden.tensor(`${name}.mask`) } : {};
      const run = (values: Values): { output: Tensor; final?: Tensor } => {
        if (params.recurrence !== 'sequence') {
          return stack(params.recurrence as string, { ...values, ...mask }, params.L as number);
        }
        const { output, state } = gruSequence(values.x as Tensor3D, weightsOf(values, 0), {
          initial: values.h0 as Tensor2D,
          ...(mask as { mask?: Tensor2D }),
        });
        return { output, final: state };
      };
      const forward = run(inputs);
      const { gradients } = gradientsOf(values => {
        const { output, final } = run(values);
        const cotOutput = golden.tensor(`${name}.cot_output`);
        return final === undefined
          ? pairing([output], [cotOutput])
          : pairing([output, final], [cotOutput, golden.tensor(`${name}.cot_final`)]);
      }, inputs);
      const found: Record<string, Tensor> = {
        ...forward,
        ...Object.fromEntries(Object.entries(gradients).map(([k, v]) => [`grad_${k}`, v])),
      };
      const expected = golden.names(`${name}.`).map(k => k.slice(name.length + 1));
      expect(Object.keys(found).sort()).toEqual(
        expected.filter(k => k === 'output' || k === 'final' || k.startsWith('grad_')).sort(),
      );
      for (const [key, value] of Object.entries(found)) {
        await expectClose(value, golden.array(`${name}.${key}`), {
          case: name,
          name: key,
          error: golden.error(name, key),
        });
      }
      tf.dispose([inputs, mask, forward as unknown as Tensor1D[], gradients]);
    });
  }
});
