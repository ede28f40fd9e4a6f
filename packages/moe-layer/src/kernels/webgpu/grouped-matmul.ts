/** The grouped products of rows that lie in the plan's order. */
import { type WebGPUBackend, weightSource } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { groupedOuterProduct, groupedProduct } from './grouped-gemm.ts';

export function groupedMatMulOnDevice(
  backend: WebGPUBackend,
  { x, w, offsets }: Readonly<Record<'x' | 'w' | 'offsets', TensorInfo>>,
  transpose: boolean,
): TensorInfo[] | undefined {
  const [rows, k] = x.shape as [number, number];
  const n = w.shape[transpose ? 1 : 2]!;
  if (rows * k * n === 0) return undefined;
  // a product with the transpose is the way forward, the other one a gradient
  const { tensor, types, declarations, at } = transpose
    ? weightSource('w', w)
    : { tensor: w, types: {}, declarations: '', at: (index: string) => `w[${index}]` };
  const product = groupedProduct(
    backend,
    {
      inputs: { x, w: tensor },
      types,
      offsets,
      declarations,
      a: { value: 'x[m * p.k + k]', along: 'k' },
      b: transpose
        ? { value: at('(e * p.n + n) * p.k + k'), along: 'k' }
        : { value: at('(e * p.k + k) * p.n + n'), along: 'n' },
    },
    [rows, n, k],
  );
  return [product];
}

export function groupedOuterOnDevice(
  backend: WebGPUBackend,
  { a, b, offsets }: Readonly<Record<'a' | 'b' | 'offsets', TensorInfo>>,
): TensorInfo[] | undefined {
  const [rows, m] = a.shape as [number, number];
  const n = b.shape[1]!;
  if (rows * m * n === 0) return undefined;
  const product = groupedOuterProduct(
    backend,
    {
      inputs: { a, b },
      offsets,
      a: { value: 'a[k * p.m + m]', along: 'm' },
      b: { value: 'b[k * p.n + n]', along: 'n' },
    },
    [m, n],
  );
  return [product];
}
