/**
 * Buffers of disposed tensors, used again at once. tfjs keeps them until the command buffer that uses them is
 * submitted, so that a step of one submit would hold every intermediate result it ever had. Dispatches run in the
 * order they were recorded in, and values are uploaded in that order, too: a later dispatch may write where an earlier
 * one has read. (Uniforms are written outside that order; tfjs keeps those back separately.)
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

/** A set that nothing gets into. */
const NONE = { add: (): void => undefined, has: (): boolean => false };

export function recycleAtOnce(backend: WebGPUBackend): void {
  // tfjs makes a fresh set at every submit
  Object.defineProperty(backend, 'commandQueueOwnedIds', { get: () => NONE, set: () => undefined });
}
