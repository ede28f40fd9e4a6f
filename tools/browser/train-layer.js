// Trains a tiny SPECTRA layer for 20 steps; the same program in Node and in a page.

import { SpectraRouter, SpectraRouterParameters } from '@spectra/gru-router';
import { Experts, MoeLayer } from '@spectra/moe-layer';
import { AdamW, Rng, readTensors, setBackend, valueAndGrads } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';

const [B, S, H] = [2, 8, 16];

export async function trainLayer(backend, options = {}) {
  await setBackend(backend, options);
  const rng = new Rng(5);
  const learned = new SpectraRouterParameters(
    { hidden: H, experts: 4, routerDim: 8, stateSize: 8 },
    rng.split('router'),
    'router.',
  );
  const router = new SpectraRouter(learned, { k: 2 });
  const experts = new Experts({
    prefix: '',
    experts: 4,
    hidden: H,
    intermediate: 8,
    std: 0.2,
    rng: rng.split('experts'),
  });
  const layer = new MoeLayer({ router, experts });
  const optimizer = new AdamW(layer.parameters());
  const data = rng.split('data');
  const x = tf.tensor3d(
    Float32Array.from({ length: B * S * H }, () => data.normal()),
    [B, S, H],
  );
  const y = tf.tensor3d(
    Float32Array.from({ length: B * S * H }, () => data.normal()),
    [B, S, H],
  );
  const losses = [];
  for (let step = 0; step < 20; step++) {
    const kept = {};
    const { value, grads } = valueAndGrads(() => {
      const { output, routing } = layer.forward(x, { balance: 'batch', training: true, step });
      for (const [name, tensor] of Object.entries(routing.statistics)) kept[name] = tf.keep(tensor.clone());
      return output.sub(y).square().mean().add(routing.loss);
    }, layer.parameters());
    optimizer.step(grads, 1e-2);
    const shapes = Object.fromEntries(Object.entries(kept).map(([name, tensor]) => [name, tensor.shape]));
    const host = await readTensors({ ...kept, loss: value });
    losses.push(host.loss[0]);
    router.commit([
      Object.fromEntries(Object.keys(kept).map(name => [name, { shape: shapes[name], data: host[name] }])),
    ]);
    tf.dispose([kept, value, ...grads.values()]);
  }
  return losses;
}
