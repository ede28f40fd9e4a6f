/** Masks as the kernels read them. */
import type { WasmCall } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

/** The address of a mask of four bytes a token, 0 where there is none; a bool one has a byte each and is widened. */
export function maskAddress(mask: TensorInfo | undefined, tokens: number, call: WasmCall): number {
  if (mask?.dtype !== 'bool') return call.addressOr0(mask);
  const widened = call.scratch(4 * tokens);
  call.floats(widened, tokens).set(call.backend.typedArrayFromHeap(mask));
  return widened;
}
