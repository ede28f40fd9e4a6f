/** A training step on a device waits for it only where its figures are wanted: nothing is read in the middle of one. */
import { fileURLToPath } from 'node:url';
import type { TrainStream } from '@spectra/data';
import { backendUnderTest, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { Trainer } from './trainer.ts';

beforeAll(testBackend);

const DEMO = fileURLToPath(new URL('../../../../configs/demo.yaml', import.meta.url));
const [MICRO_BATCHES, BATCH, LENGTH] = [2, 2, 16];

/** The demo's model with two small layers: grid recurrence, quota selection, transport over the batch. */
function tinyTrainer(): Promise<Trainer> {
  const size = BATCH * LENGTH;
  const tokens = {
    batch: BATCH,
    length: LENGTH,
    inputIds: Int32Array.from({ length: size }, (_, i) => (7 * i) % 50),
    targets: Int32Array.from({ length: size }, (_, i) => (7 * i + 7) % 50),
    weights: new Float32Array(size).fill(1),
    documents: new Int32Array(size),
  };
  const stream = { take: async () => new Array(MICRO_BATCHES).fill(tokens) } as unknown as TrainStream;
  const config = loadConfig(DEMO, [
    'model.num_hidden_layers=2',
    'model.hidden_size=32',
    'model.num_attention_heads=2',
    'model.num_key_value_heads=2',
    'model.moe.intermediate_size=16',
    `data.batch=${BATCH}`,
    `data.length=${LENGTH}`,
    `train.micro_batches=${MICRO_BATCHES}`,
    'train.workers=1',
  ]);
  return Trainer.create(config, stream);
}

/** Calls of the backend's reads, and waits for a buffer of the device, while `run` is under way. */
async function readsOf(run: () => Promise<unknown>): Promise<{ sync: number; async: number; waits: number }> {
  const reads = { sync: 0, async: 0, waits: 0 };
  const backend = tf.backend() as unknown as Record<'read' | 'readSync', (...rest: unknown[]) => unknown>;
  const { read, readSync } = backend;
  backend.readSync = (...rest) => {
    reads.sync++;
    return readSync.apply(backend, rest);
  };
  backend.read = (...rest) => {
    reads.async++;
    return read.apply(backend, rest);
  };
  const buffers = (globalThis as { GPUBuffer?: { prototype: GPUBuffer } }).GPUBuffer?.prototype;
  const mapAsync = buffers?.mapAsync;
  if (buffers !== undefined) {
    buffers.mapAsync = function (...rest) {
      reads.waits++;
      return mapAsync!.apply(this, rest);
    };
  }
  try {
    await run();
  } finally {
    Object.assign(backend, { read, readSync });
    if (buffers !== undefined) buffers.mapAsync = mapAsync!;
  }
  return reads;
}

it('reads each micro-batch and the norm once, and nothing in between', async () => {
  const trainer = await tinyTrainer();
  await trainer.trainStep();
  const reads = await readsOf(() => trainer.trainStep());
  await trainer.dispose();
  // the norm is a tensor's own read, the figures of a micro-batch come in one buffer
  if (backendUnderTest() === 'webgpu') expect(reads).toEqual({ sync: 0, async: 1, waits: MICRO_BATCHES + 1 });
  else expect(reads.async).toBeGreaterThan(0);
});
