import { setBackend, valueAndGrads, Rng, AdamW } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { DecoderModel, languageModelLoss, generate } from '@spectra/transformer';
await setBackend('wasm');
const rng = new Rng(1);
for (const [name, cfg] of [['spectra', { vocab_size: 256, moe: {} }], ['recompute', { vocab_size: 256, moe: {}, recompute: true }], ['dense', { vocab_size: 256 }]] as const) {
  const model = new DecoderModel(cfg as never);
  const opt = new AdamW(model.parameters());
  const rows = Array.from({ length: 8 }, () => Array.from({ length: 257 }, () => Math.floor(rng.uniform(0, 256))));
  const inputIds = tf.tensor2d(rows.map(r => r.slice(0, -1)), undefined, 'int32');
  const targets = tf.tensor2d(rows.map(r => r.slice(1)), undefined, 'int32');
  const times: number[] = [];
  for (let i = 0; i < 4; i++) {
    const t = performance.now();
    const { value, grads } = valueAndGrads(() => languageModelLoss(model, { inputIds, targets, step: i }).loss, model.parameters());
    await value.data();
    opt.step(grads, 1e-3);
    tf.dispose([value, ...grads.values()]);
    times.push(performance.now() - t);
  }
  const f = performance.now();
  const l = tf.tidy(() => languageModelLoss(model, { inputIds, targets, training: false, balance: 'potentials' }).loss); await l.data();
  const fw = performance.now() - f;
  const t = performance.now();
  await generate(model, [rows[0]!.slice(0, 32)], { maxNewTokens: 64 });
  const g = performance.now() - t;
  console.log(name, model.parameters().reduce((a, p) => a + p.variable.size, 0), 'params', 'steps ms', times.map(Math.round), 'fwd', Math.round(fw), 'decode ms/token', (g / 64).toFixed(1), 'tensors', tf.memory().numTensors, 'peakMB', (tf.memory().numBytes/1e6).toFixed(0));
}
