import { setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { loadConfig } from './src/config/load.ts';
import { openTrainingData } from './src/data/training-data.ts';
import { Trainer } from './src/training/trainer.ts';

const config = loadConfig('../../configs/demo.yaml', process.argv.slice(2));
const r = await setBackend(config.backend);
console.log(r.device, r.features);
let t = performance.now();
const data = await openTrainingData(config);
console.log('data', performance.now() - t, data.domains, data.heldOut.length);
t = performance.now();
console.log('entropy', await data.unigramEntropy(), performance.now() - t);
const trainer = await Trainer.create(config, data.stream);
console.log(
  'params',
  trainer.model.parameters().reduce((a, p) => a + p.variable.size, 0),
);
for (let i = 0; i < 5; i++) {
  t = performance.now();
  const s = await trainer.trainStep();
  console.log(
    s.step,
    s.loss.toFixed(4),
    s.routerLoss.toFixed(4),
    s.gradNorm.toFixed(3),
    Math.round(performance.now() - t),
    'ms',
    Math.round((s.tokens / (performance.now() - t)) * 1000),
    'tok/s',
    tf.memory().numTensors,
    JSON.stringify(s.microBatches[0]!.layers.map(l => [...l.load])),
  );
}
await trainer.dispose();
