/**
 * Sinkhorn's iterations in the log domain: two dispatches an iteration. Blocks of rows take the row step and their part
 * of the column sums; one workgroup a group of experts adds the parts, in the order of the blocks, and takes the
 * column step. Nothing is read back: a group that has reached the tolerance keeps its potentials.
 */
import {
  type KernelInputs,
  releaseTensors,
  runShader,
  type WebGPUBackend,
  workgroupReductions,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SinkhornAttrs, SinkhornInputs } from '../problem.ts';
import { finishOnDevice } from './finish.ts';
import { LOAD, LOWEST, massOnDevice, rowStep, X } from './problem.ts';
import { constants, perColumn, type Tile, tileOf, tileShader, tileSizes, WORKGROUP } from './tile.ts';

export function sinkhornOnDevice(
  inputs: KernelInputs<SinkhornInputs>,
  attrs: SinkhornAttrs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const tile = tileOf(inputs, attrs.groups);
  if (tile === undefined) return undefined;
  const { mask, columnMass } = inputs;
  const mass = massOnDevice(backend, tile, { mask, columnMass });
  const state = prepare(backend, tile, inputs, mass, attrs);
  for (let i = 0; i < attrs.iterations; i++) {
    const parts = rowsOnDevice(backend, tile, state, mask, i);
    columnsOnDevice(backend, tile, { ...state, parts, mass }, i, attrs.tolerance);
    releaseTensors(backend, parts);
  }
  const { x: plan, shift: f, history, steps, bad } = state;
  const { g, rowError, columnError } = finishOnDevice(backend, tile, {
    plan,
    f,
    history,
    mask,
    mass,
    last: attrs.iterations,
  });
  releaseTensors(backend, mass);
  return [plan, f, g, history, steps, rowError, columnError, bad];
}

interface State {
  /** Becomes the plan. */
  readonly x: TensorInfo;
  /** [N,m] the cheapest open cost over ε; becomes f. */
  readonly shift: TensorInfo;
  /** [T+1,E] */
  readonly history: TensorInfo;
  readonly steps: TensorInfo;
  readonly bad: TensorInfo;
}

/** x, shift, the first potentials, and the first cost that is not finite. */
function prepare(
  backend: WebGPUBackend,
  tile: Tile,
  { cost, mask, start }: KernelInputs<SinkhornInputs>,
  mass: TensorInfo,
  { epsilon, iterations }: SinkhornAttrs,
): State {
  const { position, declarations, ...shader } = tileShader(backend, tile, mask !== undefined);
  const made = runShader(backend, {
    ...shader,
    inputs: { cost, mask, mass, start },
    outputs: {
      x: { shape: cost!.shape },
      shift: { shape: [tile.tokens, tile.groups] },
      history: { shape: [iterations + 1, tile.experts] },
      // the lowest position + 1 under complement, so that 0 means none
      worst: { shape: [], dtype: 'int32', zeroed: true },
    },
    types: { worst: 'atomic<u32>' },
    sizes: tileSizes(tile),
    reals: { epsilon },
    declarations: `${declarations}
fn isBad(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u; }`,
    body: `${position}
${LOWEST}
${X}
  if (isLive) {
    for (var e = j; e < W; e += P) {
      let i = t * p.experts + columns + e;
      if (isBad(cost[i])) { atomicMax(&worst, ~i); }
    }
  }
  if (t < p.tokens && j == 0u) { shift[t * p.groups + own] = select(0.0, lowest / p.epsilon, isLive); }
  if (block == 0u) {
    for (var e = lane; e < W; e += WORKGROUP) {
      let first = ${start === undefined ? '0.0' : 'start[columns + e] / p.epsilon'};
      history[columns + e] = select(CLOSED, first, mass[columns + e] > 0.0);
    }
  }`.replaceAll('&worst', '&worst[0]'),
  });
  const { bad, steps } = runShader(backend, {
    inputs: { worst: made.worst },
    outputs: { bad: { shape: [], dtype: 'int32' }, steps: { shape: [tile.groups], dtype: 'int32' } },
    types: { worst: 'u32' },
    sizes: tileSizes(tile),
    workgroupSize: 64,
    workgroups: 1,
    body: `
  if (lane == 0u) { bad[0] = select(i32(~worst[0]), -1, worst[0] == 0u); }
  for (var own = lane; own < p.groups; own += WORKGROUP) { steps[own] = 0; }`,
  });
  releaseTensors(backend, made.worst);
  return { x: made.x, shift: made.shift, history: made.history, steps, bad };
}

/** [blocks,E] of (maximum, Σ exp under it) over each block's rows: parts of logsumexp_t(x + f). */
function rowsOnDevice(
  backend: WebGPUBackend,
  tile: Tile,
  { x, history }: State,
  mask: TensorInfo | undefined,
  index: number,
): TensorInfo {
  const { position, declarations, ...shader } = tileShader(backend, tile, mask !== undefined);
  return runShader(backend, {
    ...shader,
    inputs: { x, mask, history },
    outputs: { parts: { shape: [tile.blocks, tile.experts, 2] } },
    types: { parts: 'vec2f' },
    sizes: { ...tileSizes(tile), index },
    declarations: `${declarations}
var<workgroup> tops: array<f32, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;`,
    body: `${position}
${LOAD}
${rowStep('p.index')}
  if (j == 0u) { level[r] = f; }
  workgroupBarrier();
${perColumn(`
    var top = -3e38;
    var total = 0.0;
    if (strip < STRIPS && c < W) {
      for (var k = strip; k < R; k += STRIPS) { top = max(top, tile[at(k, c)] + level[k]); }
      for (var k = strip; k < R; k += STRIPS) { total += exp(tile[at(k, c)] + level[k] - top); }
    }
    tops[lane] = top;
    sums[lane] = total;
    workgroupBarrier();
    if (strip == 0u && c < W) {
      for (var s = 1u; s < STRIPS; s++) { top = max(top, tops[s * W + c]); }
      total = 0.0;
      for (var s = 0u; s < STRIPS; s++) { total += sums[lane + s * W] * exp(tops[lane + s * W] - top); }
      parts[block * p.experts + columns + c] = vec2f(top, total);
    }
    workgroupBarrier();`)}`,
  }).parts;
}

/** The column step g = log b − logsumexp, into row index + 1 of the history. */
function columnsOnDevice(
  backend: WebGPUBackend,
  tile: Tile,
  { parts, mass, history, steps }: State & { readonly parts: TensorInfo; readonly mass: TensorInfo },
  index: number,
  tolerance: number | undefined,
): void {
  const { declarations, enable } = workgroupReductions(backend, 'Max');
  runShader(backend, {
    inputs: { parts, mass },
    updated: { history, steps },
    types: { parts: 'vec2f' },
    sizes: { ...tileSizes(tile), index },
    reals: { tolerance: tolerance ?? -1 },
    workgroupSize: WORKGROUP,
    workgroups: tile.groups,
    enable,
    declarations: `${declarations}
${constants(tile)}
var<workgroup> tops: array<f32, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;`,
    body: `
  let columns = group * W;
  let tokens = mass[p.experts];
  var error = 0.0;
${perColumn(`
    var top = -3e38;
    var total = 0.0;
    if (strip < STRIPS && c < W) {
      for (var b = strip; b < p.blocks; b += STRIPS) {
        let part = parts[b * p.experts + columns + c];
        let higher = max(top, part.x);
        total = total * exp(top - higher) + part.y * exp(part.x - higher);
        top = higher;
      }
    }
    tops[lane] = top;
    sums[lane] = total;
    workgroupBarrier();
    if (strip == 0u && c < W) {
      for (var s = 1u; s < STRIPS; s++) { top = max(top, tops[s * W + c]); }
      total = 0.0;
      for (var s = 0u; s < STRIPS; s++) { total += sums[lane + s * W] * exp(tops[lane + s * W] - top); }
      let sum = top + log(total);
      let at = p.index * p.experts + columns + c;
      let b = mass[columns + c] * tokens;
      error = max(error, abs(exp(sum + history[at]) - b) * f32(W) / max(tokens, 1.0));
      history[at + p.experts] = select(CLOSED, log(max(b, 1e-30)) - sum, mass[columns + c] > 0.0);
    }
    workgroupBarrier();`)}
  // a group that was done before has taken fewer steps than there were
  let done = workgroupMax(error, lane) <= p.tolerance || u32(steps[group]) != p.index;
  let stays = done || tokens == 0.0;
  if (stays) {
    for (var c = lane; c < W; c += WORKGROUP) {
      let at = p.index * p.experts + columns + c;
      history[at + p.experts] = history[at];
    }
  }
  workgroupBarrier();
  if (!stays && lane == 0u) { steps[group] = i32(p.index) + 1; }`,
  });
}
