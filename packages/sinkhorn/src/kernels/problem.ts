/** The parts of a Sinkhorn problem as the plain-ops reference uses them, one slice [N,w] per expert group. */
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Potential of a closed expert: exp of it is 0, and unlike −∞ it never makes a NaN. */
export const CLOSED = -1e30;

export interface ProblemInputs {
  readonly [name: string]: Tensor | undefined;
  readonly cost: Tensor2D;
  readonly mask: Tensor | undefined;
  readonly columnMass: Tensor | undefined;
}

export interface SinkhornInputs extends ProblemInputs {
  readonly start: Tensor | undefined;
}

export interface SinkhornAttrs {
  readonly epsilon: number;
  readonly iterations: number;
  readonly tolerance: number | undefined;
  readonly gradient: 'unrolled' | 'detached' | 'implicit';
  readonly groups: number;
}

/** N tokens, m groups of w experts. */
export interface Problem {
  /** [N,m,w] (cheapest open expert's cost − cost)/ε: ≤ 0, so that exp of it keeps float32's precision. */
  readonly x: Tensor3D;
  /** [N,m,1] the cheapest open cost over ε, which `x` leaves out. */
  readonly shift: Tensor3D;
  /** [N,1,1] 1 for a token, 0 for padding. */
  readonly live: Tensor3D;
  /** [] how many tokens are not padding. */
  readonly tokens: Tensor;
  /** [1,m,w] bool, experts whose column mass is not 0. */
  readonly open: Tensor3D;
  /** [1,m,w] column mass b, summing to the tokens in each group. */
  readonly b: Tensor3D;
}

export function problemOf(inputs: ProblemInputs, { epsilon, groups: m }: SinkhornAttrs): Problem {
  const [N, E] = inputs.cost.shape;
  const w = E / m;
  const isLive = inputs.mask === undefined ? undefined : tf.reshape(tf.greater(inputs.mask, 0), [N, 1, 1]);
  const live = (isLive === undefined ? tf.ones([N, 1, 1]) : tf.cast(isLive, 'float32')) as Tensor3D;
  const tokens = tf.sum(live);
  const given = inputs.columnMass;
  const mass = (given === undefined ? tf.ones([1, m, w]) : tf.reshape(given, [1, m, w])) as Tensor3D;
  const open = tf.greater(mass, 0) as Tensor3D;
  const b: Tensor3D = tf.mul(tf.div(mass, tf.sum(mass, 2, true)), tokens);
  const read: Tensor3D = tf.reshape(inputs.cost, [N, m, w]);
  const cost: Tensor3D = isLive === undefined ? read : tf.where(isLive, read, tf.zerosLike(read)); // padding may hold NaN
  const lowest = tf.min(tf.where(open, cost, tf.fill([1, 1, 1], -CLOSED)), 2, true) as Tensor3D;
  const x = tf.where(open, tf.div(tf.sub(lowest, cost), epsilon), tf.fill([1, 1, 1], CLOSED)) as Tensor3D;
  return { x, shift: tf.div(lowest, epsilon) as Tensor3D, live, tokens, open, b };
}

/** log Σ exp over one axis (kept) that is exact for any finite input. */
export function logSumExp(x: Tensor, axis: number): Tensor {
  const top = tf.max(x, axis, true);
  return tf.add(top, tf.log(tf.sum(tf.exp(tf.sub(x, top)), axis, true)));
}

/** Column log-sums over the tokens that are not padding: [1,m,w] logsumexp_t(x + f). */
export function columnLogSum({ x, live }: Problem, f: Tensor): Tensor {
  const logits = tf.add(tf.add(x, f), tf.mul(tf.sub(live, 1), -CLOSED));
  return inWholeVectors(logits, padded => logSumExp(padded, 0));
}

/** log b; a closed expert's is finite and never used. */
export function logMass({ b }: Problem): Tensor {
  return inWholeVectors(tf.maximum(b, 1e-30), padded => tf.log(padded));
}

/** Floats of the widest vectors that TensorFlow's kernels on a CPU work in. */
const VECTOR = 8;

/**
 * `f` of [N,m,w], column by column. TensorFlow rounds what is left over after whole vectors another way, so equal experts
 * would get unequal potentials: there the experts are padded to whole vectors.
 */
function inWholeVectors(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const [, m, w] = x.shape as [number, number, number];
  const rest = (VECTOR - (w % VECTOR)) % VECTOR;
  if (rest === 0 || tf.getBackend() !== 'tensorflow') return f(x);
  const padding: [number, number][] = [
    [0, 0],
    [0, 0],
    [0, rest],
  ];
  return tf.slice(f(tf.pad(x, padding, 1)), [0, 0, 0], [-1, m, w]);
}

/** Whether the current backend can be read synchronously: everything but WebGPU. */
export function readable(): boolean {
  return tf.getBackend() !== 'webgpu';
}
