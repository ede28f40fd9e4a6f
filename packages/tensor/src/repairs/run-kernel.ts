/** Small steps inside a repaired kernel, on `TensorInfo`s, below the engine's bookkeeping. */
import type { DataType, KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { getKernel, util } from '@tensorflow/tfjs-core';
import type { BackendName } from '../define-op.ts';
import { SpectraError } from '../errors.ts';
import type { KernelCall } from './repair.ts';

interface DisposingBackend {
  disposeData(id: object): boolean;
  write(values: unknown, shape: number[], dtype: DataType): object;
}

/** Runs another registered kernel of the same backend. */
export function runKernel(
  name: string,
  backendName: BackendName,
  backend: object,
  inputs: Readonly<Record<string, TensorInfo>>,
  attrs: NamedAttrMap = {},
): TensorInfo {
  return getKernel(name, backendName).kernelFunc({ inputs: { ...inputs }, attrs, backend }) as TensorInfo;
}

/** Gives up this reference to the data. */
export function release(backend: object, ...infos: TensorInfo[]): void {
  for (const info of infos) (backend as DisposingBackend).disposeData(info.dataId);
}

/** A tensor of given values, one repeated or all. */
export function filled(
  backend: object,
  shape: readonly number[],
  dtype: DataType,
  values: number | Int32Array | Float32Array,
): TensorInfo {
  const data =
    typeof values === 'number'
      ? util.getTypedArrayFromDType(dtype as 'float32', util.sizeFromShape([...shape])).fill(values)
      : values;
  const dataId = (backend as DisposingBackend).write(data, [...shape], dtype);
  return { dataId, shape: [...shape], dtype };
}

/** The same data in another shape; a reference of its own. */
export function reshaped(
  backendName: BackendName,
  backend: object,
  x: TensorInfo,
  shape: readonly number[],
): TensorInfo {
  return runKernel('Reshape', backendName, backend, { x }, { shape: [...shape] });
}

/** The kernel that must be there to be repaired. */
export function present(stock: KernelFunc | undefined, name: string): KernelFunc {
  if (stock === undefined)
    throw new SpectraError('BACKEND_FAILED', { message: `tfjs has no kernel ${name} to repair.` });
  return stock;
}

/** The one output of a kernel. */
export function single(stock: KernelFunc, { inputs, attrs, backend }: KernelCall): TensorInfo {
  return stock({ inputs: { ...inputs }, backend, ...(attrs === undefined ? {} : { attrs }) }) as TensorInfo;
}
