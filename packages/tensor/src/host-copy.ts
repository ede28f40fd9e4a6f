/** Values between tensors and memory of the caller's, such as what threads share: one copy where the backend allows it. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor } from '@tensorflow/tfjs-core';
import { backend, getBackend, tensor } from '@tensorflow/tfjs-core';
import { WasmCall } from './wasm-call.ts';

/** Writes the values of a float32 tensor of any shape to the first `x.size` of `target`. The caller keeps the tensor. */
export async function copyToHost(x: Tensor, target: Float32Array): Promise<void> {
  target.set(viewOf(x) ?? (await x.data<'float32'>()));
}

/** A float32 tensor of `shape` that holds a copy of `source`; the caller owns it. */
export function copyFromHost(source: Float32Array, shape: readonly number[]): Tensor {
  // the others keep the array they are given, if only until a kernel needs it
  const values = getBackend() === 'wasm' ? source : source.slice();
  return tensor(values, [...shape], 'float32');
}

/** What the tensor has in the wasm heap, valid until the next allocation. */
function viewOf(x: Tensor): Float32Array | undefined {
  if (getBackend() !== 'wasm' || x.size === 0) return undefined;
  const wasm = backend() as BackendWasm;
  if (wasm.refCount(x.dataId) === 0) return undefined; // made on another backend
  const call = new WasmCall(wasm);
  return call.floats(call.address(x), x.size);
}
