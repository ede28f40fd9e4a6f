/** What routers with a learned gate share: its matrix, a batch as tokens, logits, their softmax, and a mask's effect. */
import { orthogonalFromRng } from '@spectra/gram';
import { checkShape, checkValue, Parameter, Rng } from '@spectra/tensor';
import type { Scalar, Tensor1D, Tensor2D, Tensor3D, TensorContainer } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { RouteContext, Routing } from './router.ts';
import { checkChoice } from './selection.ts';

export interface LinearGateOptions {
  readonly experts: number;
  /** H, the width of the tokens. */
  readonly hidden: number;
  /** Experts per token. */
  readonly k: number;
  /** Put before the parameter's name `gate.weight`; empty by default. */
  readonly prefix?: string;
  /** Where the initial weights come from; a stream of seed 0 by default. */
  readonly rng?: Rng;
  /** Of the initial weights, which are normal; 0.02 by default. */
  readonly deviation?: number;
  /** Makes the initial rows orthonormal times this gain instead. */
  readonly orthogonalGain?: number;
}

/** The gate's matrix [E,H]; its rows are the experts' vectors. */
export function gateParameter(options: LinearGateOptions, where: string): Parameter {
  const { experts, hidden, k, prefix = '', rng = new Rng(0).split('gate') } = options;
  checkChoice(experts, k, 1, where);
  checkValue(
    Number.isInteger(hidden) && hidden >= 1,
    `hidden must be a positive integer, got ${hidden}.`,
    where,
  );
  const { deviation = 0.02, orthogonalGain } = options;
  const initial =
    orthogonalGain === undefined
      ? rng.normalTensor([experts, hidden], 0, deviation)
      : orthogonalFromRng(rng, experts, hidden, orthogonalGain);
  return new Parameter(`${prefix}gate.weight`, initial, { role: 'router' });
}

/** One batch as N tokens. */
export interface TokenRows {
  /** [N,H] */
  readonly rows: Tensor2D;
  readonly batch: number;
  readonly positions: number;
  /** [N], 1 for a token and 0 for padding; none if all are tokens. */
  readonly mask: Tensor1D | undefined;
  /** The number of tokens, at least 1. */
  readonly live: Scalar;
}

/** The same with the gate's answer. */
export interface GateInput extends TokenRows {
  /** [N,E] */
  readonly logits: Tensor2D;
}

/** x [B,S,hidden] and a mask [B,S] as rows. */
export function tokenRows(x: Tensor3D, hidden: number, context: RouteContext, where: string): TokenRows {
  checkShape(x.shape, [-1, -1, hidden], where);
  const [batch, positions] = x.shape;
  const { mask } = context;
  if (mask !== undefined) checkShape(mask.shape, [batch, positions], `${where} mask`);
  const flat =
    mask === undefined ? undefined : (tf.reshape(tf.cast(mask, 'float32'), [batch * positions]) as Tensor1D);
  const live = flat === undefined ? tf.scalar(Math.max(1, batch * positions)) : tf.maximum(tf.sum(flat), 1);
  const rows = tf.reshape(x, [batch * positions, hidden]) as Tensor2D;
  return { rows, batch, positions, mask: flat, live: live as Scalar };
}

/** x·Wᵀ of rows [N,H] and W [E,H]. */
export function linearLogits(rows: Tensor2D, gate: Parameter): Tensor2D {
  return tf.matMul(rows, gate.variable as unknown as Tensor2D, false, true);
}

/** x [B,S,H] and a mask [B,S] as logits x·Wᵀ of N tokens. */
export function gateInput(gate: Parameter, x: Tensor3D, context: RouteContext, where: string): GateInput {
  const input = tokenRows(x, gate.shape[1]!, context, where);
  return { ...input, logits: linearLogits(input.rows, gate) };
}

/** The softmax of the logits, 0 at padding. */
export function gateProbabilities({ logits, mask }: GateInput): Tensor2D {
  const P = tf.softmax(logits);
  return mask === undefined ? P : (tf.mul(P, tf.expandDims(mask, 1)) as Tensor2D);
}

/** `tf.tidy` for a routing decision: keeps what it returns. */
export function tidyRouting(f: () => Routing): Routing {
  return tf.tidy(() => f() as unknown as TensorContainer) as unknown as Routing;
}
