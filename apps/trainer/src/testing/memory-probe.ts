/**
 * `node memory-probe.ts CONFIG STEPS`: trains and prints, after every tenth step, a line of JSON with the tensors alive
 * and the resident bytes of the process (its worker threads included).
 */
import { setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { loadConfig } from '../config/load.ts';
import { openTrainingData } from '../data/training-data.ts';
import { Trainer } from '../training/trainer.ts';

const [path, steps] = process.argv.slice(2);
const config = loadConfig(path!, [`train.steps=${steps}`]);
await setBackend(config.backend);
const data = await openTrainingData(config);
const trainer = await Trainer.create(config, data.stream);
while (trainer.step < config.train.steps) {
  await trainer.trainStep();
  if (trainer.step % 10 === 0) {
    const { numTensors } = tf.memory();
    console.log(JSON.stringify({ step: trainer.step, tensors: numTensors, rss: process.memoryUsage.rss() }));
  }
}
await trainer.dispose();
