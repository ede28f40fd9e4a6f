/**
 * Sums over the rows of a matrix in a fixed order: each workgroup adds a block of rows for 64 columns, coalesced, and a
 * second dispatch adds the blocks. One addition a value: the memory's speed is the limit.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { releaseTensors, runShader, type Shader } from './shader.ts';

const COLUMNS = 64;
const BLOCK = 64;

export interface ColumnSum extends Pick<Shader, 'inputs' | 'types' | 'sizes' | 'reals' | 'declarations'> {
  readonly rows: number;
  readonly width: number;
  /** Expression of the value in row `t` and column `c` (u32). */
  readonly value: string;
}

/** Σ_t value [width], of shape `shape`. */
export function columnSum(
  backend: WebGPUBackend,
  { rows, width, value, sizes, ...rest }: ColumnSum,
  shape: readonly number[] = [width],
): TensorInfo {
  const blocks = Math.max(1, Math.ceil(rows / BLOCK));
  const strips = Math.ceil(width / COLUMNS);
  const { sums } = runShader(backend, {
    ...rest,
    outputs: { sums: { shape: blocks === 1 ? shape : [blocks, width] } },
    sizes: { rows, width, strips, ...sizes },
    workgroupSize: COLUMNS,
    workgroups: blocks * strips,
    body: `
  let block = group / p.strips;
  let c = (group % p.strips) * ${COLUMNS}u + lane;
  if (c >= p.width) { return; }
  var sum = 0.0;
  for (var t = block * ${BLOCK}u; t < min(p.rows, (block + 1u) * ${BLOCK}u); t++) { sum += ${value}; }
  sums[block * p.width + c] = sum;`,
  });
  if (blocks === 1) return sums;
  const total = columnSum(
    backend,
    { inputs: { parts: sums }, rows: blocks, width, value: 'parts[t * p.width + c]' },
    shape,
  );
  releaseTensors(backend, sums);
  return total;
}
