/** Batched matrix products on the device, with every transpose; see `gemm-tile.ts` for the tiles. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { broadcast_util, util } from '@tensorflow/tfjs-core';
import { type GemmOperand, gemmShader, tileSide } from './gemm-tile.ts';
import { weightSource } from './half-copy.ts';
import { runShader } from './shader.ts';

export interface MatMulAttrs {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/**
 * op(A)·op(B) [..., m, n]; a batch of one serves a batch of many. None where the shapes do not fit, something is empty,
 * or both batches broadcast: the stock kernel answers those.
 */
export function matMulOnDevice(
  backend: WebGPUBackend,
  { a, b }: Readonly<Record<'a' | 'b', TensorInfo>>,
  { transposeA = false, transposeB = false }: MatMulAttrs,
): TensorInfo | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const [batchA, batchB] = [a, b].map(({ shape }) => shape.slice(0, -2)) as [number[], number[]];
  const shape = broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const [countA, countB, count] = [batchA, batchB, shape].map(util.sizeFromShape) as [number, number, number];
  let [m, inner] = a.shape.slice(-2) as [number, number];
  if (transposeA) [m, inner] = [inner, m];
  let [innerB, n] = b.shape.slice(-2) as [number, number];
  if (transposeB) [innerB, n] = [n, innerB];
  if (inner !== innerB || count * m * n * inner === 0) return undefined;
  if ((countA !== count && countA !== 1) || (countB !== count && countB !== 1)) return undefined;

  // one B for all: the batch is so many more rows
  const rows = countB === 1 && !transposeA ? countA * m : m;
  const batch = rows === m ? count : 1;
  const operandA: GemmOperand = transposeA
    ? { value: 'a[aFirst + k * p.m + m]', along: 'm' }
    : { value: 'a[aFirst + m * p.k + k]', along: 'k' };
  // forward products have their weights transposed; gradients read them as they lie
  const weight = transposeB ? weightSource('b', b) : undefined;
  const operandB: GemmOperand =
    weight === undefined
      ? { value: 'b[bFirst + k * p.n + n]', along: 'n' }
      : { value: weight.at('bFirst + n * p.k + k'), along: 'k' };
  const sizes = {
    m: rows,
    n,
    k: inner,
    stepA: batch > 1 && countA > 1 ? m * inner : 0,
    stepB: batch > 1 && countB > 1 ? inner * n : 0,
  };
  const tile = { a: operandA, b: operandB, store: 'product[(q * p.m + m) * p.n + n] = sum;' };
  const side = tileSide(rows, n, batch);
  const [tilesM, tilesN] = [Math.ceil(rows / side), Math.ceil(n / side)];
  return runShader(backend, {
    inputs: { a, b: weight?.tensor ?? b },
    types: weight?.types ?? {},
    outputs: { product: { shape: [...shape, m, n] } },
    sizes: { ...sizes, tilesM, tilesN },
    workgroups: batch * tilesM * tilesN,
    ...gemmShader(
      {
        ...tile,
        declarations: weight?.declarations ?? '',
        bounds: `
  let q = group / (p.tilesM * p.tilesN);
  let mFirst = group / p.tilesN % p.tilesM * SIDE;
  let nFirst = group % p.tilesN * SIDE;
  let mEnd = p.m;
  let nEnd = p.n;
  let kFirst = 0u;
  let kEnd = p.k;
  let aFirst = q * p.stepA;
  let bFirst = q * p.stepB;`,
      },
      side,
    ),
  }).product;
}
