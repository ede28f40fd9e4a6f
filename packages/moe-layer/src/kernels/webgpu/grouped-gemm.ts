/**
 * One matrix product an expert over its rows, in the tiles of `gemmShader`. How many rows an expert has is known on the
 * device only, so there are workgroups for the most tiles that M rows of E experts can take; each finds its expert in
 * the offsets, and the few that are left over end at once. A row's sums do not depend on the rows beside it.
 */
import { type GemmOperand, gemmShader, runShader, tileSide, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

export interface GroupedGemm {
  /** Arrays that the operands read; `offsets` [E+1] is added. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly offsets: TensorInfo;
  /** Values may use `e`, the expert; `m` and `k` of a product count rows of the plan where these are its rows. */
  readonly a: GemmOperand;
  readonly b: GemmOperand;
  readonly declarations?: string;
  /** As `Shader.types`. */
  readonly types?: Readonly<Record<string, string>>;
  readonly sizes?: Readonly<Record<string, number>>;
}

/** [rows,n], k inner: row m of an expert times its matrix; rows past the last expert's are 0. */
export function groupedProduct(
  backend: WebGPUBackend,
  { inputs, offsets, sizes, types = {}, ...operands }: GroupedGemm,
  [rows, n, k]: readonly [number, number, number],
): TensorInfo {
  const experts = offsets.shape[0]! - 1;
  const side = tileSide(Math.ceil(rows / experts), n, experts);
  const tilesN = Math.ceil(n / side);
  return runShader(backend, {
    inputs: { ...inputs, offsets },
    types,
    outputs: { product: { shape: [rows, n] } },
    sizes: { experts, n, k, rows, tilesN, ...sizes },
    workgroups: (Math.floor(rows / side) + experts + 1) * tilesN,
    ...gemmShader(
      {
        ...operands,
        store: 'product[m * p.n + n] = sum;',
        bounds: `
  var tile = group / p.tilesN;
  var e = 0u;
  var mFirst = 0u;
  var mEnd = 0u;
  // past the last expert: the dead rows
  for (; e <= p.experts; e++) {
    mFirst = u32(offsets[e]);
    mEnd = p.rows;
    if (e < p.experts) { mEnd = u32(offsets[e + 1u]); }
    let tiles = (mEnd - mFirst + SIDE - 1u) / SIDE;
    if (tile < tiles) { break; }
    tile -= tiles;
  }
  if (e > p.experts) { return; }
  mFirst += tile * SIDE;
  let nFirst = group % p.tilesN * SIDE;
  let nEnd = p.n;
  let kFirst = 0u;
  let kEnd = select(p.k, 0u, e == p.experts);`,
      },
      side,
    ),
  }).product;
}

/** [E,m,n]: for each expert the sum over its rows k of outer products. */
export function groupedOuterProduct(
  backend: WebGPUBackend,
  { inputs, offsets, sizes, ...operands }: GroupedGemm,
  [m, n]: readonly [number, number],
): TensorInfo {
  const experts = offsets.shape[0]! - 1;
  const side = tileSide(m, n, experts);
  const [tilesM, tilesN] = [Math.ceil(m / side), Math.ceil(n / side)];
  return runShader(backend, {
    inputs: { ...inputs, offsets },
    outputs: { product: { shape: [experts, m, n] } },
    sizes: { m, n, tilesM, tilesN, ...sizes },
    workgroups: experts * tilesM * tilesN,
    ...gemmShader(
      {
        ...operands,
        store: 'product[(e * p.m + m) * p.n + n] = sum;',
        bounds: `
  let e = group / (p.tilesM * p.tilesN);
  let mFirst = group / p.tilesN % p.tilesM * SIDE;
  let nFirst = group % p.tilesN * SIDE;
  let mEnd = p.m;
  let nEnd = p.n;
  let kFirst = u32(offsets[e]);
  let kEnd = u32(offsets[e + 1u]);`,
      },
      side,
    ),
  }).product;
}
