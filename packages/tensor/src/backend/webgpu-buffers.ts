/**
 * Sizes of GPU buffers. tfjs keeps released buffers by their exact size in bytes, so that tensors that grow (the keys
 * and values of decoding) or vary (prompts) never find one again and leave all of theirs behind: n tokens decoded cost
 * O(n²) bytes and two new buffers a layer and token. Here a tensor's buffer has one of four sizes an octave: at most a
 * quarter is unused, and what growing leaves behind is a few times what it grew to.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { type BackendValues, util } from '@tensorflow/tfjs-core';

const SMALLEST = 256;
const SIZES_OF_AN_OCTAVE = 4;

/** The smallest size of a buffer that holds so many bytes. */
export function bufferSize(bytes: number): number {
  if (bytes <= SMALLEST) return SMALLEST;
  // the octave above the largest power of two below `bytes`
  const step = 2 ** Math.floor(Math.log2(bytes - 1)) / SIZES_OF_AN_OCTAVE;
  return Math.ceil(bytes / step) * step;
}

type Acquire = (bytes: number, usage: number, mapped?: boolean, reuse?: boolean) => GPUBuffer;

/**
 * Makes the buffers of tensors, and only those, of such sizes; `ownValues` tells their values from the rest. A shader is
 * told a tensor's size: `arrayLength` is that of the buffer.
 */
export function acquireBySize(backend: WebGPUBackend): void {
  const manager = backend.bufferManager as unknown as { acquireBuffer: Acquire };
  const acquire = manager.acquireBuffer.bind(manager);
  const most = backend.device.limits.maxStorageBufferBindingSize;
  manager.acquireBuffer = (bytes, usage, mapped, reuse) => {
    const ofTensor = (usage & GPUBufferUsage.STORAGE) !== 0 && bytes > 0;
    const size = ofTensor ? Math.max(bytes, Math.min(bufferSize(bytes), most)) : bytes;
    return acquire(size, usage, mapped, reuse);
  };
}

/** Of the values in a tensor's buffer those of the tensor; the backend keeps them in place of all. */
export function ownValues(backend: WebGPUBackend, dataId: object, values: BackendValues): BackendValues {
  const data = backend.tensorMap.get(dataId);
  const size = util.sizeFromShape(data.shape);
  if (data.dtype === 'complex64' || values.length === size) return values;
  data.values = values.slice(0, size) as BackendValues;
  return data.values;
}
