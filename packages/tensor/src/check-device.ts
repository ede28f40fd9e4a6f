/** Waiting for the device and learning of its errors. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { backend, getBackend } from '@tensorflow/tfjs-core';
import { deviceErrors } from './backend/webgpu-errors.ts';

/**
 * Waits until the device has done all work given to it. On the other backends work is done when a call returns.
 *
 * @throws BACKEND_FAILED where WebGPU reported a shader, validation or memory error, or lost the device
 */
export async function checkDevice(): Promise<void> {
  if (getBackend() !== 'webgpu') return;
  const gpu = backend() as unknown as WebGPUBackend;
  gpu.ensureCommandEncoderReady();
  gpu.endComputePassEncoder();
  gpu.submitQueue();
  await gpu.queue.onSubmittedWorkDone();
  deviceErrors(gpu)?.throwNoted();
}
