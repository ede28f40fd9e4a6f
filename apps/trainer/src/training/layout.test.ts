import { testBackend } from '@spectra/testing';
import { DecoderModel } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { exportGradients, exportParameters, importGradients, importParameters, layoutOf } from './layout.ts';

const small = {
  vocab_size: 8,
  hidden_size: 8,
  num_attention_heads: 1,
  num_hidden_layers: 1,
  intermediate_size: 8,
};

beforeAll(testBackend);

it('carries every parameter and gradient through flat memory unchanged', async () => {
  const before = tf.memory().numTensors;
  const [one, two] = [1, 2].map(seed => new DecoderModel(small, { seed }));
  const [from, to] = [layoutOf(one!.parameters()), layoutOf(two!.parameters())];
  const sizes = from.entries.map(({ size }) => size);
  expect(from.total).toBe(sizes.reduce((a, b) => a + b, 0));
  expect(from.entries.map(({ offset }) => offset)).toEqual(
    sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0)),
  );

  const [flat, copy] = [new Float32Array(from.total), new Float32Array(from.total)];
  await exportParameters(from, flat);
  importParameters(to, flat);
  await exportParameters(to, copy);
  expect(copy).toEqual(flat);

  const { name, shape } = one!.parameters()[1]!;
  const grads = new Map([[name, tf.fill([...shape], 2)]]);
  await exportGradients(from, grads, flat);
  const back = importGradients(from, flat);
  for (const { parameter, size } of from.entries) {
    const values = await back.get(parameter.name)!.data();
    expect(values).toEqual(new Float32Array(size).fill(parameter.name === name ? 2 : 0));
  }
  tf.dispose([...grads.values(), ...back.values()]);
  one!.dispose();
  two!.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
