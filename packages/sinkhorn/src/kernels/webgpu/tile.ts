/**
 * How a workgroup holds a problem: R rows of one group of w experts in workgroup memory, 256/R invocations to a row and
 * then 256/w to a column. A step reads each value once from memory and takes two exponentials of it, which is what
 * limits it from about 8 bytes an exponential on.
 */
import { type KernelInputs, type WebGPUBackend, WORKGROUP_BYTES, workgroupReductions } from '@spectra/tensor';
import type { SinkhornInputs } from '../problem.ts';

export const WORKGROUP = 256;
/** Floats that the tile may take; reductions and column sums take the rest. */
const TILE = WORKGROUP_BYTES / 4 - 6 * WORKGROUP;
const MOST_ROWS = 128;

export interface Tile {
  readonly tokens: number;
  readonly experts: number;
  readonly groups: number;
  /** w, experts of a group. */
  readonly width: number;
  /** R, a power of two. */
  readonly rows: number;
  /** Blocks of R rows. */
  readonly blocks: number;
}

/** The tile of a problem; none where not even one row fits. */
export function tileOf(
  { cost }: Pick<KernelInputs<SinkhornInputs>, 'cost'>,
  groups: number,
): Tile | undefined {
  const [tokens, experts] = cost!.shape as [number, number];
  const width = experts / groups;
  const fit = Math.min(MOST_ROWS, Math.floor(TILE / (width + 1)));
  if (fit === 0 || tokens === 0) return undefined;
  const rows = 2 ** Math.floor(Math.log2(fit));
  return { tokens, experts, groups, width, rows, blocks: Math.ceil(tokens / rows) };
}

/** `p.<name>` of every shader here. */
export function tileSizes({ tokens, experts, groups, blocks }: Tile) {
  return { tokens, experts, groups, blocks };
}

/** Shader parts of one workgroup per block of rows and group of experts. */
export function tileShader(backend: WebGPUBackend, tile: Tile, mask: boolean) {
  const reductions = workgroupReductions(backend, 'Sum', 'Max');
  return {
    workgroupSize: WORKGROUP,
    workgroups: tile.blocks * tile.groups,
    enable: reductions.enable,
    declarations: `${reductions.declarations}
${constants(tile)}
const P = ${WORKGROUP / tile.rows}u;
var<workgroup> tile: array<f32, ${tile.rows * (tile.width + 1)}>;
var<workgroup> level: array<f32, R>;
${live(mask)}
${ROWS}
${columnSums(tile)}`,
    position: `
  let block = group / p.groups;
  let own = group % p.groups;
  let columns = own * W;
  let r = lane / P;
  let j = lane % P;
  let t = block * R + r;`,
  } as const;
}

export function constants({ rows, width }: Tile): string {
  return `
const CLOSED = -1e30;
const W = ${width}u;
const R = ${rows}u;
const STRIPS = ${stripsOf(width)}u;`;
}

/** `live(t)`: whether a row of the batch is a token. */
export function live(mask: boolean): string {
  return `fn live(t: u32) -> bool { return t < p.tokens ${mask ? '&& mask[t] > 0.0' : ''}; }`;
}

/** Invocations that share a column. */
function stripsOf(width: number): number {
  return Math.max(1, Math.floor(WORKGROUP / width));
}

/** Sums and maxima over the P invocations of a row, to all of them. */
const ROWS = `
var<workgroup> slots: array<f32, WORKGROUP>;
fn rowSum(value: f32, lane: u32) -> f32 {
  slots[lane] = value;
  workgroupBarrier();
  for (var half = P / 2u; half > 0u; half /= 2u) {
    if (lane % P < half) { slots[lane] += slots[lane + half]; }
    workgroupBarrier();
  }
  let sum = slots[lane / P * P];
  workgroupBarrier();
  return sum;
}
fn rowMax(value: f32, lane: u32) -> f32 {
  slots[lane] = value;
  workgroupBarrier();
  for (var half = P / 2u; half > 0u; half /= 2u) {
    if (lane % P < half) { slots[lane] = max(slots[lane], slots[lane + half]); }
    workgroupBarrier();
  }
  let most = slots[lane / P * P];
  workgroupBarrier();
  return most;
}
fn at(r: u32, e: u32) -> u32 { return r * (W + 1u) + e; }`;

/** `columnSum(c, strip, lane)`: Σ over the tile's rows of a column, in the invocations of strip 0. */
function columnSums({ width }: Tile): string {
  if (stripsOf(width) === 1) {
    return `
fn columnSum(c: u32, strip: u32, lane: u32) -> f32 {
  var sum = 0.0;
  if (c < W) { for (var r = 0u; r < R; r++) { sum += tile[at(r, c)]; } }
  return sum;
}`;
  }
  return `
fn columnSum(c: u32, strip: u32, lane: u32) -> f32 {
  var sum = 0.0;
  if (strip < STRIPS) { for (var r = strip; r < R; r += STRIPS) { sum += tile[at(r, c)]; } }
  slots[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  if (strip == 0u) { for (var s = 0u; s < STRIPS; s++) { sum += slots[s * W + c]; } }
  workgroupBarrier();
  return sum;
}`;
}

/**
 * A loop over the columns of a workgroup: \`c\` is this invocation's column and \`strip\` its share of the rows. Narrow
 * groups take one turn with several strips, wide ones several turns with one.
 */
export function perColumn(body: string): string {
  return `
  for (var turn = 0u; turn < W; turn += WORKGROUP) {
    let c = select(turn + lane, lane % W, STRIPS > 1u);
    let strip = select(0u, lane / W, STRIPS > 1u);
${body}
  }`;
}
