/**
 * The gradient of the steps that were run (see `reference-gradient.ts`), two dispatches a step: each recomputes its row
 * step from the stored potentials, so that memory does not grow with their number.
 */
import { columnSum, type KernelInputs, releaseTensors, runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SinkhornAttrs } from '../problem.ts';
import type { GradientInputs } from '../reference-gradient.ts';
import { costsOnDevice, LOAD, massOnDevice, rowStep } from './problem.ts';
import { perColumn, type Tile, tileOf, tileShader, tileSizes } from './tile.ts';

export function sinkhornGradientOnDevice(
  inputs: KernelInputs<GradientInputs>,
  attrs: SinkhornAttrs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const tile = tileOf(inputs, attrs.groups);
  if (tile === undefined) return undefined;
  const { cost, mask, columnMass, history, steps } = inputs as KernelInputs<GradientInputs> & {
    readonly cost: TensorInfo;
    readonly history: TensorInfo;
    readonly steps: TensorInfo;
  };
  const last = attrs.gradient === 'detached' ? 0 : attrs.iterations;
  const scaleAt = (i: number): number => (i === 0 ? -1 / attrs.epsilon : 1);
  let { total, parts } = lastRowStep(backend, tile, inputs, scaleAt(last));
  if (last > 0) {
    const mass = massOnDevice(backend, tile, { mask, columnMass });
    const x = costsOnDevice(backend, tile, { cost, mask, mass }, attrs.epsilon);
    for (let i = last; i >= 1; i--) {
      const pull = sumOfParts(backend, tile, parts);
      releaseTensors(backend, parts);
      const tensors = { x, mask, mass, history, pull, steps };
      parts = stepBack(backend, tile, tensors, total, i, scaleAt(i - 1));
      releaseTensors(backend, pull);
    }
    releaseTensors(backend, mass, x);
  }
  releaseTensors(backend, parts);
  return [total];
}

/** ḡ [E] */
function sumOfParts(backend: WebGPUBackend, tile: Tile, parts: TensorInfo): TensorInfo {
  const { blocks: rows, experts: width } = tile;
  return columnSum(backend, { inputs: { parts }, rows, width, value: 'parts[t * p.width + c]' });
}

/** P is a row softmax: P ⊙ (P̄ − ⟨P, P̄⟩), and its column sums by blocks. */
function lastRowStep(
  backend: WebGPUBackend,
  tile: Tile,
  { plan, cotangent, mask }: KernelInputs<GradientInputs>,
  scale: number,
) {
  const { position, ...shader } = tileShader(backend, tile, mask !== undefined);
  return runShader(backend, {
    ...shader,
    inputs: { plan, cotangent, mask },
    outputs: { total: { shape: plan!.shape }, parts: { shape: [tile.blocks, tile.experts] } },
    sizes: tileSizes(tile),
    reals: { scale },
    body: `${position}
  let isLive = live(t);
  var inner = 0.0;
  if (isLive) {
    for (var e = j; e < W; e += P) {
      let i = t * p.experts + columns + e;
      inner += plan[i] * cotangent[i];
    }
  }
  let mean = rowSum(inner, lane);
  for (var e = j; e < W; e += P) {
    let i = t * p.experts + columns + e;
    var value = 0.0;
    if (isLive) { value = plan[i] * (cotangent[i] - mean); }
    tile[at(r, e)] = value;
    if (t < p.tokens) { total[i] = value * p.scale; }
  }
  workgroupBarrier();
${PARTS}`,
  });
}

const PARTS = perColumn(`
    let sum = columnSum(c, strip, lane);
    if (strip == 0u && c < W) { parts[block * p.experts + columns + c] = sum; }`);

/** One step back, in place of `total`; returns the next ḡ by blocks. A step that was not taken hands ḡ on. */
function stepBack(
  backend: WebGPUBackend,
  tile: Tile,
  {
    x,
    mask,
    mass,
    history,
    pull,
    steps,
  }: Readonly<Record<'x' | 'mass' | 'history' | 'pull' | 'steps', TensorInfo>> & {
    readonly mask: TensorInfo | undefined;
  },
  total: TensorInfo,
  index: number,
  scale: number,
): TensorInfo {
  const { position, ...shader } = tileShader(backend, tile, mask !== undefined);
  return runShader(backend, {
    ...shader,
    inputs: { x, mask, mass, history, pull, steps },
    updated: { total },
    outputs: { parts: { shape: [tile.blocks, tile.experts] } },
    sizes: { ...tileSizes(tile), index },
    reals: { scale },
    body: `${position}
${LOAD}
${rowStep('(p.index - 1u)')}
  let taken = u32(steps[own]) >= p.index;
  let tokens = mass[p.experts];
  let isLive = live(t);
  var innerOwn = 0.0;
  // padding, which the column sum leaves out, has no part; rounding lifts no entry above 1
  if (isLive && taken) {
    for (var e = j; e < W; e += P) {
      let share = mass[columns + e];
      if (share == 0.0) { continue; }
      let columnLevel = log(max(share * tokens, 1e-30)) - history[g + p.experts + e];
      innerOwn += exp(min(tile[at(r, e)] + f - columnLevel, 0.0)) * pull[columns + e];
    }
  }
  let inner = rowSum(innerOwn, lane);
  for (var e = j; e < W; e += P) {
    let share = mass[columns + e];
    var back = 0.0;
    var change = 0.0;
    if (isLive && taken) {
      back = exp(tile[at(r, e)] + history[g + e] + f) * inner;
      change = back;
      if (share > 0.0) {
        let columnLevel = log(max(share * tokens, 1e-30)) - history[g + p.experts + e];
        change -= exp(min(tile[at(r, e)] + f - columnLevel, 0.0)) * pull[columns + e];
      }
    }
    if (!taken && t == 0u) { back = pull[columns + e]; }
    tile[at(r, e)] = back;
    if (t < p.tokens) {
      let i = t * p.experts + columns + e;
      total[i] = (total[i] + change) * p.scale;
    }
  }
  workgroupBarrier();
${PARTS}`,
  }).parts;
}
