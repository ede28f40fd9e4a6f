/**
 * Sums and maxima over a workgroup, added in a fixed order: a tree in workgroup memory, or, where the adapter has
 * subgroups, one instruction a subgroup and then one subgroup after the other. Every invocation gets the result; call
 * them in uniform control flow.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { ordersSubgroups } from './subgroups.ts';

const OPERATIONS = {
  /** Σ, 0 of nothing. */
  Sum: { identity: '0.0', join: (a: string, b: string) => `${a} + ${b}`, subgroup: 'subgroupAdd' },
  /** The largest of finite numbers. */
  Max: { identity: '-3e38', join: (a: string, b: string) => `max(${a}, ${b})`, subgroup: 'subgroupMax' },
} as const;

export type Reduction = keyof typeof OPERATIONS;

export interface Reductions {
  /** Functions `workgroupSum(value: f32, lane: u32) -> f32` and `workgroupMax`, the ones asked for. */
  readonly declarations: string;
  readonly enable: readonly string[];
}

/** For `Shader.declarations` and `Shader.enable`; the workgroup size is a power of two. */
export function workgroupReductions(backend: WebGPUBackend, ...which: readonly Reduction[]): Reductions {
  const smallest = ordersSubgroups(backend.device);
  if (smallest === undefined) return { declarations: which.map(tree).join('\n'), enable: [] };
  return { declarations: which.map(kind => subgroups(kind, smallest)).join('\n'), enable: ['subgroups'] };
}

function tree(kind: Reduction): string {
  const { join } = OPERATIONS[kind];
  return `
var<workgroup> slots${kind}: array<f32, WORKGROUP>;
fn workgroup${kind}(value: f32, lane: u32) -> f32 {
  slots${kind}[lane] = value;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (lane < half) { slots${kind}[lane] = ${join(`slots${kind}[lane]`, `slots${kind}[lane + half]`)}; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&slots${kind}[0]);
}`;
}

/**
 * One slot a subgroup, which every invocation adds up: two barriers, and no more values than subgroups. `least` is the
 * fewest invocations of a subgroup; slots of larger ones hold the identity.
 */
function subgroups(kind: Reduction, least: number): string {
  const { identity, join, subgroup } = OPERATIONS[kind];
  return `
const SLOTS_${kind} = max(1u, WORKGROUP / ${least}u);
var<workgroup> slots${kind}: array<f32, SLOTS_${kind}>;
fn workgroup${kind}(value: f32, lane: u32) -> f32 {
  let own = ${subgroup}(value);
  let size = subgroupAdd(1u);
  workgroupBarrier();
  if (subgroupElect()) { slots${kind}[lane / size] = own; }
  workgroupBarrier();
  var all = ${identity};
  for (var i = 0u; i < WORKGROUP / size; i++) { all = ${join('all', `slots${kind}[i]`)}; }
  return all;
}`;
}
