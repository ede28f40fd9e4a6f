/** A tensor of the same data with another shape. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import type { KernelArguments } from './stock.ts';

/** Counts one more reference to the data of `x`; no copy. */
export function alias(call: WasmCall, x: TensorInfo, shape: readonly number[]): TensorInfo {
  call.backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: [...shape], dtype: x.dtype };
}

/** `Identity`: the stock kernel copies, though data is shared by reference counts everywhere else (`Reshape`). */
export function identity(call: WasmCall, { inputs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.x as TensorInfo;
  return x.dtype === 'string' ? undefined : alias(call, x, x.shape);
}
