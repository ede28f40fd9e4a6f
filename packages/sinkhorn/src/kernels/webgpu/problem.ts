/** What every Sinkhorn shader starts from: shares of the column mass, and costs turned into x ≤ 0. */
import { runShader, type WebGPUBackend, workgroupReductions } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { live, type Tile, tileShader, tileSizes, WORKGROUP } from './tile.ts';

/**
 * [E+1]: each expert's share of its group's mass, above 0 where it is open, and at the end how many tokens there are.
 * Column mass b is the product of the two.
 */
export function massOnDevice(
  backend: WebGPUBackend,
  tile: Tile,
  { mask, columnMass }: Readonly<Record<'mask' | 'columnMass', TensorInfo | undefined>>,
): TensorInfo {
  const { declarations, enable } = workgroupReductions(backend, 'Sum');
  const { mass } = runShader(backend, {
    inputs: { mask, columnMass },
    outputs: { mass: { shape: [tile.experts + 1] } },
    sizes: { ...tileSizes(tile), width: tile.width },
    workgroupSize: WORKGROUP,
    workgroups: tile.groups,
    enable,
    declarations: `${declarations}
${live(mask !== undefined)}
fn given(e: u32) -> f32 { return ${columnMass === undefined ? '1.0' : 'max(0.0, columnMass[e])'}; }`,
    body: `
  var count = 0.0;
  for (var t = lane; t < p.tokens; t += WORKGROUP) { count += select(0.0, 1.0, live(t)); }
  let tokens = workgroupSum(count, lane);
  var sum = 0.0;
  for (var e = lane; e < p.width; e += WORKGROUP) { sum += given(group * p.width + e); }
  let total = workgroupSum(sum, lane);
  for (var e = lane; e < p.width; e += WORKGROUP) { mass[group * p.width + e] = given(group * p.width + e) / total; }
  if (group == 0u && lane == 0u) { mass[p.experts] = tokens; }`,
  });
  return mass;
}

export interface PrepareInputs {
  readonly cost: TensorInfo;
  readonly mask: TensorInfo | undefined;
  readonly mass: TensorInfo;
}

/** x [N,E] = (cheapest open cost − cost)/ε, at closed experts CLOSED, at padding 0. */
export function costsOnDevice(
  backend: WebGPUBackend,
  tile: Tile,
  { cost, mask, mass }: PrepareInputs,
  epsilon: number,
): TensorInfo {
  const { position, ...shader } = tileShader(backend, tile, mask !== undefined);
  return runShader(backend, {
    ...shader,
    inputs: { cost, mask, mass },
    outputs: { x: { shape: cost.shape } },
    sizes: tileSizes(tile),
    reals: { epsilon },
    body: `${position}
${LOWEST}
${X}`,
  }).x;
}

/** `lowest`, the cheapest open cost of row t. */
export const LOWEST = `
  let isLive = live(t);
  var cheapest = -CLOSED;
  if (isLive) {
    for (var e = j; e < W; e += P) {
      if (mass[columns + e] > 0.0) { cheapest = min(cheapest, cost[t * p.experts + columns + e]); }
    }
  }
  let lowest = -rowMax(-cheapest, lane);`;

/** Row t of x. */
export const X = `
  if (t < p.tokens) {
    for (var e = j; e < W; e += P) {
      let i = t * p.experts + columns + e;
      var value = 0.0;
      if (isLive) { value = select(CLOSED, (lowest - cost[i]) / p.epsilon, mass[columns + e] > 0.0); }
      x[i] = value;
    }
  }`;

/** Loads the tile of x; rows past the last token count as closed. */
export const LOAD = `
  for (var i = lane; i < R * W; i += WORKGROUP) {
    let row = block * R + i / W;
    var value = CLOSED;
    if (row < p.tokens) { value = x[row * p.experts + columns + i % W]; }
    tile[at(i / W, i % W)] = value;
  }
  workgroupBarrier();`;

/** The row step: `f` = −logsumexp_e(x + g), g being row \`index\` of the history; −1e30 at padding. */
export function rowStep(index: string): string {
  return `
  let g = ${index} * p.experts + columns;
  var most = -3e38;
  for (var e = j; e < W; e += P) { most = max(most, tile[at(r, e)] + history[g + e]); }
  let top = rowMax(most, lane);
  var sum = 0.0;
  for (var e = j; e < W; e += P) { sum += exp(tile[at(r, e)] + history[g + e] - top); }
  let f = select(CLOSED, -(top + log(rowSum(sum, lane))), live(t));`;
}
