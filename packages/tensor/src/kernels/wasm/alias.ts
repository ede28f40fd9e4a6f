/** A tensor of the same data with another shape. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';

/** Counts one more reference to the data of `x`; no copy. */
export function alias(call: WasmCall, x: TensorInfo, shape: readonly number[]): TensorInfo {
  call.backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: [...shape], dtype: x.dtype };
}
