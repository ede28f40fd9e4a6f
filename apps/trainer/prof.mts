import { setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { loadConfig } from './src/config/load.ts';
import { openTrainingData } from './src/data/training-data.ts';
import { Trainer } from './src/training/trainer.ts';

const config = loadConfig('../../configs/demo.yaml', [
  'train.workers=1',
  'train.micro_batches=1',
  ...process.argv.slice(2),
]);
await setBackend('wasm');
const data = await openTrainingData(config);
const trainer = await Trainer.create(config, data.stream);
await trainer.trainStep();
await trainer.trainStep();
const times = new Map<string, [number, number]>();
const backend = tf.getBackend();
const depth = 0;
const stack: number[] = [];
for (const k of tf.getKernelsForBackend(backend)) {
  const f = k.kernelFunc;
  (k as any).kernelFunc = (a: any) => {
    const t = performance.now();
    stack.push(0);
    try {
      return f(a);
    } finally {
      const d = performance.now() - t;
      const inner = stack.pop()!;
      if (stack.length) stack[stack.length - 1]! += d;
      const shape = process.env.SHAPES
        ? ' ' +
          Object.values(a.inputs as any)
            .filter(Boolean)
            .map((x: any) => `[${x.shape}]`)
            .join('')
        : '';
      const e = times.get(k.kernelName + shape) ?? [0, 0];
      e[0] += d - inner;
      e[1]++;
      times.set(k.kernelName + shape, e);
    }
  };
}
const t = performance.now();
for (let i = 0; i < 3; i++) await trainer.trainStep();
const total = (performance.now() - t) / 3;
const rows = [...times].map(([n, [ms, c]]) => [n, ms / 3, c / 3] as const).sort((a, b) => b[1] - a[1]);
console.log(
  'step',
  total.toFixed(0),
  'ms; in kernels',
  rows.reduce((a, r) => a + r[1], 0).toFixed(0),
  'ms;',
  rows.reduce((a, r) => a + r[2], 0),
  'calls',
);
for (const [n, ms, c] of rows.slice(0, Number(process.env.TOP ?? 32)))
  console.log(n.padEnd(50), ms.toFixed(1).padStart(8), c.toFixed(0).padStart(6));
await trainer.dispose();
