/** Reading several tensors back to the host at once. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { Tensor } from '@tensorflow/tfjs-core';
import { backend, getBackend } from '@tensorflow/tfjs-core';
import { deviceErrors } from './backend/webgpu-errors.ts';

/** Values by name: Float32Array of float32, Int32Array of int32, Uint8Array of bool. */
export type TypedArrays<K extends string = string> = Record<K, Float32Array | Int32Array | Uint8Array>;

/**
 * The values of all tensors. On WebGPU they travel in one buffer and one wait; elsewhere this reads each. The
 * caller keeps the tensors and only reads the arrays, which may be a backend's own.
 *
 * @throws BACKEND_FAILED where the device reported an error since the last read
 */
export async function readTensors<K extends string>(
  tensors: Readonly<Record<K, Tensor>>,
): Promise<TypedArrays<K>> {
  const entries = Object.entries(tensors) as [K, Tensor][];
  const list = entries.map(([, tensor]) => tensor);
  const values =
    getBackend() === 'webgpu' ? await readTogether(list) : await Promise.all(list.map(t => t.data()));
  return Object.fromEntries(entries.map(([name], i) => [name, values[i]!])) as TypedArrays<K>;
}

interface TensorData {
  readonly resource: GPUBuffer | null;
}

async function readTogether(tensors: readonly Tensor[]): Promise<(Float32Array | Int32Array | Uint8Array)[]> {
  const gpu = backend() as unknown as WebGPUBackend;
  const data = gpu as unknown as {
    readonly tensorMap: { has(id: object): boolean; get(id: object): TensorData };
  };
  const sources = tensors.map(({ dataId, size }) => {
    const resource = size > 0 && data.tensorMap.has(dataId) ? data.tensorMap.get(dataId).resource : null;
    return resource instanceof GPUBuffer ? resource : undefined; // what was never uploaded is still here
  });
  const offsets: number[] = [];
  let bytes = 0;
  sources.forEach((source, i) => {
    offsets.push(bytes);
    if (source !== undefined) bytes += 4 * tensors[i]!.size;
  });
  if (bytes === 0) return Promise.all(tensors.map(tensor => tensor.data()));
  const staging = gpu.device.createBuffer({
    size: bytes,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    gpu.ensureCommandEncoderReady();
    gpu.endComputePassEncoder();
    sources.forEach((source, i) => {
      if (source !== undefined) {
        encoderOf(gpu).copyBufferToBuffer(source, 0, staging, offsets[i]!, 4 * tensors[i]!.size);
      }
    });
    gpu.submitQueue();
    await staging.mapAsync(GPUMapMode.READ);
    const mapped = staging.getMappedRange();
    const values = tensors.map((tensor, i) =>
      sources[i] === undefined ? tensor.data() : Promise.resolve(decode(mapped, offsets[i]!, tensor)),
    );
    deviceErrors(gpu)?.throwNoted();
    return await Promise.all(values);
  } catch (cause) {
    deviceErrors(gpu)?.throwNoted(cause);
    throw cause;
  } finally {
    staging.destroy();
  }
}

function encoderOf(gpu: WebGPUBackend): GPUCommandEncoder {
  return (gpu as unknown as { commandEncoder: GPUCommandEncoder }).commandEncoder;
}

function decode(from: ArrayBuffer, offset: number, tensor: Tensor): Float32Array | Int32Array | Uint8Array {
  const bytes = from.slice(offset, offset + 4 * tensor.size);
  if (tensor.dtype === 'float32') return new Float32Array(bytes);
  const ints = new Int32Array(bytes);
  return tensor.dtype === 'bool' ? Uint8Array.from(ints) : ints;
}
