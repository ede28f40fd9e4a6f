/** The last row step, and what is told of the result: plan, centred potentials, and how far the sums are off. */
import { releaseTensors, runShader, type WebGPUBackend, workgroupReductions } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { LOAD, rowStep } from './problem.ts';
import { constants, perColumn, type Tile, tileShader, tileSizes, WORKGROUP } from './tile.ts';

export interface FinishTensors {
  /** Holds x, becomes the plan. */
  readonly plan: TensorInfo;
  /** Holds the rows' shifts, becomes f. */
  readonly f: TensorInfo;
  readonly history: TensorInfo;
  readonly mask: TensorInfo | undefined;
  readonly mass: TensorInfo;
  /** The row of the history to finish with. */
  readonly last: number;
}

/** The centre of a group's open potentials, from the largest down: equal ones are centred to exactly 0. */
const CENTRE = `
  let last = p.last * p.experts + columns;
  var highestOwn = -3e38;
  var openOwn = 0.0;
  for (var e = lane; e < W; e += WORKGROUP) {
    if (mass[columns + e] > 0.0) { highestOwn = max(highestOwn, history[last + e]); openOwn += 1.0; }
  }
  let highest = workgroupMax(highestOwn, lane);
  let open = workgroupSum(openOwn, lane);
  var belowOwn = 0.0;
  for (var e = lane; e < W; e += WORKGROUP) {
    if (mass[columns + e] > 0.0) { belowOwn += history[last + e] - highest; }
  }
  let mean = workgroupSum(belowOwn, lane) / open;`;

/** −∞ by its bits: WGSL has no such constant, and may assume that floats are finite. */
const MINUS_INFINITY = '0xff800000u';

export function finishOnDevice(backend: WebGPUBackend, tile: Tile, tensors: FinishTensors) {
  const { plan, f, history, mask, mass, last } = tensors;
  const { position, ...shader } = tileShader(backend, tile, mask !== undefined);
  const { columnParts, rowParts } = runShader(backend, {
    ...shader,
    inputs: { mask, history, mass },
    updated: { x: plan, rowPotentials: f },
    outputs: {
      columnParts: { shape: [tile.blocks, tile.experts] },
      rowParts: { shape: [tile.blocks, tile.groups] },
    },
    types: { rowPotentials: 'u32' },
    sizes: { ...tileSizes(tile), last },
    body: `${position}
${LOAD}
${CENTRE}
${rowStep('p.last')}
  let isLive = live(t);
  var rowTotal = 0.0;
  for (var e = j; e < W; e += P) {
    let value = select(0.0, exp(tile[at(r, e)] + f + history[g + e]), isLive);
    tile[at(r, e)] = value;
    if (t < p.tokens) { x[t * p.experts + columns + e] = value; }
    rowTotal += value;
  }
  if (t < p.tokens && j == 0u) {
    let i = t * p.groups + own;
    let value = bitcast<u32>(f + bitcast<f32>(rowPotentials[i]) + highest + mean);
    rowPotentials[i] = select(${MINUS_INFINITY}, value, isLive);
  }
  let miss = abs(rowSum(rowTotal, lane) - 1.0);
  let worst = workgroupMax(select(0.0, miss, isLive), lane);
  if (lane == 0u) { rowParts[block * p.groups + own] = worst; }
${perColumn(`
    let total = columnSum(c, strip, lane);
    if (strip == 0u && c < W) { columnParts[block * p.experts + columns + c] = total; }`)}`,
  });
  const made = summarise(backend, tile, { columnParts, rowParts, history, mass }, last);
  releaseTensors(backend, columnParts, rowParts);
  return made;
}

/** One workgroup: g [E] centred, and the two errors. */
function summarise(
  backend: WebGPUBackend,
  tile: Tile,
  inputs: Readonly<Record<'columnParts' | 'rowParts' | 'history' | 'mass', TensorInfo>>,
  last: number,
) {
  const { declarations, enable } = workgroupReductions(backend, 'Sum', 'Max');
  return runShader(backend, {
    inputs,
    outputs: { g: { shape: [tile.experts] }, rowError: { shape: [] }, columnError: { shape: [] } },
    types: { g: 'u32' },
    sizes: { ...tileSizes(tile), last },
    workgroupSize: WORKGROUP,
    workgroups: 1,
    enable,
    declarations: `${declarations}
${constants(tile)}`,
    body: `
  for (var own = 0u; own < p.groups; own++) {
    let columns = own * W;
${CENTRE}
    for (var e = lane; e < W; e += WORKGROUP) {
      let value = bitcast<u32>(history[last + e] - highest - mean);
      g[columns + e] = select(${MINUS_INFINITY}, value, mass[columns + e] > 0.0);
    }
  }
  let tokens = mass[p.experts];
  var missOwn = 0.0;
  for (var e = lane; e < p.experts; e += WORKGROUP) {
    var total = 0.0;
    for (var b = 0u; b < p.blocks; b++) { total += columnParts[b * p.experts + e]; }
    missOwn = max(missOwn, abs(total - mass[e] * tokens));
  }
  let miss = workgroupMax(missOwn, lane);
  var worstOwn = 0.0;
  for (var b = lane; b < p.blocks * p.groups; b += WORKGROUP) { worstOwn = max(worstOwn, rowParts[b]); }
  let worst = workgroupMax(worstOwn, lane);
  if (lane == 0u) {
    rowError[0] = worst;
    columnError[0] = miss * f32(W) / max(tokens, 1.0);
  }`,
  });
}
