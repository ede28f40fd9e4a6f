/**
 * The gradient of the converged plan by the implicit function theorem: −P ⊙ (P̄ − u − v)/ε, where u_t and v_e make its
 * rows and columns sum to 0. With a, b the row and column sums of P and S = diag(b) − Pᵀ diag(1/a) P,
 *
 *     S v = Σ_t P ⊙ P̄ − Pᵀ (Σ_e P ⊙ P̄ / a)        u = (Σ_e P ⊙ P̄ − P v)/a
 *
 * S is singular along the constant that u and v share; whatever v has there leaves the gradient as it is.
 */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { readable } from './kernels/problem.ts';

/** [N,E] gradient with respect to the cost at `plan`, each group of experts by itself; rows of zeros stay zero. */
export function implicitGradient(
  plan: Tensor2D,
  cotangent: Tensor2D,
  epsilon: number,
  groups: number,
): Tensor {
  const [N, E] = plan.shape;
  const w = E / groups;
  if (readable()) {
    const p = plan.dataSync();
    const cot = cotangent.dataSync();
    const gradient = new Float32Array(N * E);
    for (let group = 0; group < groups; group++) hostGradient(p, cot, gradient, N, E, group * w, w, epsilon);
    return tf.tensor2d(gradient, [N, E]);
  }
  const parts = Array.from({ length: groups }, (_, group) => {
    const slice = (t: Tensor2D): Tensor2D => tf.slice(t, [0, group * w], [N, w]);
    return deviceGradient(slice(plan), slice(cotangent), epsilon);
  });
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
}

type Values = Float32Array | Int32Array | Uint8Array;

/** Columns `from`..`from`+w of [N,E] arrays, in float64. */
function hostGradient(
  plan: Values,
  cotangent: Values,
  gradient: Float32Array,
  N: number,
  E: number,
  from: number,
  w: number,
  epsilon: number,
): void {
  const S = new Float64Array(w * w);
  const v = new Float64Array(w);
  const rowSum = new Float64Array(N);
  const rowTarget = new Float64Array(N);
  const p = new Float64Array(w);
  for (let t = 0; t < N; t++) {
    const at = t * E + from;
    let a = 0;
    let target = 0;
    for (let e = 0; e < w; e++) {
      const here = plan[at + e]!;
      p[e] = here;
      a += here;
      if (here !== 0) target += here * cotangent[at + e]!;
    }
    if (a === 0) continue; // padding
    rowSum[t] = a;
    rowTarget[t] = target;
    for (let i = 0; i < w; i++) {
      const pi = p[i]!;
      if (pi === 0) continue;
      v[i]! += pi * (cotangent[at + i]! - target / a);
      S[i * w + i]! += pi;
      const scaled = pi / a;
      for (let j = 0; j < w; j++) S[i * w + j]! -= scaled * p[j]!;
    }
  }
  solveSingular(S, v, w);
  for (let t = 0; t < N; t++) {
    if (rowSum[t] === 0) continue;
    const at = t * E + from;
    let inner = 0;
    for (let e = 0; e < w; e++) inner += plan[at + e]! * v[e]!;
    const u = (rowTarget[t]! - inner) / rowSum[t]!;
    for (let e = 0; e < w; e++) {
      const here = plan[at + e]!;
      if (here !== 0) gradient[at + e] = (-here * (cotangent[at + e]! - u - v[e]!)) / epsilon;
    }
  }
}

/**
 * Solves S v = r in place of r for a symmetric positive semi-definite S whose null vectors r is free of: LDLᵀ, where a
 * pivot that has vanished belongs to a null vector and its unknown is set to 0.
 */
export function solveSingular(S: Float64Array, r: Float64Array, n: number): void {
  const scale = Float64Array.from({ length: n }, (_, i) => S[i * n + i]!);
  const vanished = new Uint8Array(n);
  for (let j = 0; j < n; j++) {
    const pivot = S[j * n + j]!;
    if (!(pivot > 1e-12 * scale[j]!)) {
      vanished[j] = 1;
      continue;
    }
    for (let i = j + 1; i < n; i++) {
      const factor = S[i * n + j]! / pivot;
      if (factor === 0) continue;
      for (let k = j + 1; k < n; k++) S[i * n + k]! -= factor * S[j * n + k]!;
      r[i]! -= factor * r[j]!;
    }
  }
  for (let j = n - 1; j >= 0; j--) {
    let value = vanished[j] === 1 ? 0 : r[j]!;
    if (vanished[j] !== 1) {
      for (let k = j + 1; k < n; k++) value -= S[j * n + k]! * r[k]!;
      value /= S[j * n + j]!;
    }
    r[j] = value;
  }
}

/** Σ_{i < 2^DOUBLINGS} of the Neumann series below: exact to float32 where Sinkhorn itself contracts by 0.999 a step. */
const DOUBLINGS = 14;

/**
 * The same without a read-back. With y = √b v the system is (I − W) y = r/√b, W = diag(b)^−½ Pᵀ diag(1/a) P diag(b)^−½,
 * whose eigenvalue 1 has the eigenvector √b. Without that direction (I − W)⁻¹ = Π_k (I + W^(2^k)).
 */
function deviceGradient(plan: Tensor2D, cotangent: Tensor2D, epsilon: number): Tensor {
  const E = plan.shape[1];
  const positive = (t: Tensor) => tf.where(tf.greater(t, 0), t, tf.onesLike(t));
  const a = positive(tf.sum(plan, 1, true));
  const b = tf.sum(plan, 0, true);
  const rootB = tf.sqrt(b);
  const inverse = tf.where(tf.greater(b, 0), tf.div(1, positive(rootB)), tf.zerosLike(b));
  const target = tf.mul(plan, tf.where(tf.greater(plan, 0), cotangent, tf.zerosLike(cotangent)));
  const rowTarget = tf.div(tf.sum(target, 1, true), a);
  const right = tf.mul(tf.sum(tf.sub(target, tf.mul(plan, rowTarget)), 0, true), inverse);
  const scaled: Tensor2D = tf.mul(plan, tf.mul(tf.div(1, tf.sqrt(a)), inverse));
  const rootColumn = tf.reshape(rootB, [E, 1]);
  const known = tf.div(tf.matMul(rootColumn, tf.reshape(rootB, [1, E])), positive(tf.sum(b)));
  let W: Tensor2D = tf.sub(tf.matMul(tf.transpose(scaled), scaled), known);
  let y: Tensor2D = tf.reshape(right, [E, 1]);
  for (let k = 0; k < DOUBLINGS; k++) {
    const next: { y: Tensor2D; W: Tensor2D } = tf.tidy(() => ({
      y: tf.add(y, tf.matMul(W, y)),
      W: tf.matMul(W, W),
    }));
    tf.dispose([y, W]);
    ({ y, W } = next);
  }
  const v = tf.mul(tf.reshape(y, [1, E]), inverse);
  const u = tf.sub(rowTarget, tf.div(tf.sum(tf.mul(plan, v), 1, true), a));
  return tf.div(
    tf.mul(plan, tf.sub(tf.add(u, v), tf.where(tf.greater(plan, 0), cotangent, tf.zerosLike(cotangent)))),
    epsilon,
  );
}
