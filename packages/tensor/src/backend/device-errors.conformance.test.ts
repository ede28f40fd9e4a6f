import { backendUnderTest, testBackend } from '@spectra/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkDevice } from '../check-device.ts';
import { readTensors } from '../read-tensors.ts';

beforeAll(testBackend);

let programs = 0;

/** A new program that does not compile (a known one would fail as "invalid pipeline" only), of tfjs's `WebGPUProgram` shape. */
function brokenProgram(): Parameters<WebGPUBackend['runWebGPUProgram']>[0] {
  return {
    outputShape: [4],
    variableNames: ['x'],
    workgroupSize: [32, 1, 1],
    dispatchLayout: { x: [0] },
    dispatch: [1, 1, 1],
    size: true,
    shaderKey: `broken${programs++}`,
    getUserCode: () => 'fn main(index : i32) { setOutputAtIndex(index, nonsense(index)); }',
  };
}

/** Runs it where there are shaders; elsewhere a tensor that nothing is wrong with. */
function runBroken(): tf.Tensor {
  const x = tf.ones([4]);
  if (backendUnderTest() !== 'webgpu') return x;
  const backend = tf.backend() as unknown as WebGPUBackend;
  const out = backend.runWebGPUProgram(brokenProgram(), [x], 'float32');
  x.dispose();
  return tf.engine().makeTensorFromTensorInfo(out);
}

const READS: Record<string, (tensor: tf.Tensor) => Promise<unknown>> = {
  'data()': tensor => tensor.data(),
  readTensors: tensor => readTensors({ tensor }),
  checkDevice: () => checkDevice(),
};

describe('a device error', () => {
  it.each(Object.keys(READS))('reaches the next %s, and only that one', async name => {
    const tensor = runBroken();
    const read = READS[name]!(tensor);
    if (backendUnderTest() === 'webgpu') {
      await expect(read).rejects.toMatchObject({
        code: 'BACKEND_FAILED',
        message: expect.stringContaining('nonsense'),
      });
    } else {
      await read;
    }
    const fine = tf.add(tf.ones([2]), 1);
    expect([...(await fine.data())]).toEqual([2, 2]);
    await checkDevice();
    tf.dispose([tensor, fine]);
  });
});
