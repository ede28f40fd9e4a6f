import { backendUnderTest, testBackend } from '@spectra/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { attentionStep } from '../ops/attention-step.ts';
import { pseudoRandom } from '../ops/oracle.ts';
import { readTensors } from '../read-tensors.ts';
import { bufferSize } from './webgpu-buffers.ts';

beforeAll(testBackend);

const random = (shape: number[], seed: number): tf.Tensor =>
  tf.tensor(Float32Array.from(pseudoRandom(tf.util.sizeFromShape(shape), seed)), shape);

/** Bytes of all buffers and number of all programs that the backend holds; 0 where it is no GPU's. */
function held(): { readonly bytes: number; readonly programs: number } {
  if (backendUnderTest() !== 'webgpu') return { bytes: 0, programs: 0 };
  const backend = tf.backend() as unknown as WebGPUBackend;
  const { pipelineCache } = backend as unknown as { readonly pipelineCache: object };
  return { bytes: backend.bufferManager.numBytesAllocated, programs: Object.keys(pipelineCache).length };
}

describe('bufferSize', () => {
  it('holds what it is asked for, is a size itself, and wastes at most a quarter', () => {
    for (let bytes = 4; bytes < 40_000; bytes += 4) {
      const size = bufferSize(bytes);
      expect(size).toBeGreaterThanOrEqual(bytes);
      expect(bufferSize(size)).toBe(size);
      expect(size % 4).toBe(0);
      if (bytes > 256) expect(size).toBeLessThan(1.25 * bytes + 4);
    }
    expect([256, 260, 320, 1024, 1028].map(bufferSize)).toEqual([256, 320, 320, 1024, 1280]);
  });
});

describe('buffers', () => {
  it.each([1, 63, 65, 1000, 4097])('read back %i values and no more', async size => {
    const x = random([size], 1);
    const y = x.add(1);
    expect(await y.data()).toHaveLength(size);
    expect(await y.array()).toHaveLength(size);
    const { again } = await readTensors({ again: y });
    expect(again).toHaveLength(size);
    const mask = y.greater(1);
    expect(await mask.data()).toHaveLength(size);
    tf.dispose([x, y, mask]);
  });

  it('are used again by a cache that grows: bytes by its length, no program by it', async () => {
    const [hidden, heads, headDim] = [16, 2, 8];
    const square = [0, 1, 2, 3].map(seed => random([hidden, heads * headDim], seed));
    const [query, key, value, output] = square as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const [x, norm] = [random([1, hidden], 5), tf.ones([hidden])];
    let past: { key: tf.Tensor; value: tf.Tensor } | undefined;
    const step = (): void => {
      const inputs = { x, norm, query, key, value, output, pastKey: past?.key, pastValue: past?.value };
      const next = attentionStep(inputs, { batch: 1, headDim, epsilon: 1e-5, window: 0, scale: 1 });
      tf.dispose([next.output, past?.key, past?.value].filter(tensor => tensor !== undefined));
      past = next;
    };
    for (let i = 0; i < 8; i++) step();
    const before = held();
    for (let i = 8; i < 400; i++) step();
    const after = held();
    const longest = 4 * 400 * heads * headDim;
    // keys and values, before and after a step, of every size on the way, which sum to less than eight times the last
    expect(after.bytes - before.bytes).toBeLessThan(4 * 8 * longest);
    expect(after.programs).toBe(before.programs);
    expect(await past!.key.data()).toHaveLength(400 * heads * headDim);
    tf.dispose([...square, x, norm, past!.key, past!.value]);
  });
});
