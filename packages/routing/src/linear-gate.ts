/** What routers with a linear gate share: logits x·Wᵀ, their softmax, and the bookkeeping around a mask. */
import { checkShape, checkValue, logSumExp, Parameter, Rng } from '@spectra/tensor';
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
  /** Where the initial weights (normal, deviation 0.02) come from; a stream of seed 0 by default. */
  readonly rng?: Rng;
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
  return new Parameter(`${prefix}gate.weight`, rng.normalTensor([experts, hidden], 0, 0.02), {
    role: 'router',
  });
}

/** One batch as tokens. */
export interface GateInput {
  /** [N,E]. */
  readonly logits: Tensor2D;
  /** [N], 1 for a token and 0 for padding; none if all are tokens. */
  readonly mask: Tensor1D | undefined;
  /** The number of tokens, at least 1. */
  readonly live: Scalar;
}

/** x [B,S,H] and a mask [B,S] as logits of N tokens. */
export function gateInput(gate: Parameter, x: Tensor3D, context: RouteContext, where: string): GateInput {
  const [, hidden] = gate.shape as readonly [number, number];
  checkShape(x.shape, [-1, -1, hidden], where);
  const [batch, positions] = x.shape;
  const { mask } = context;
  if (mask !== undefined) checkShape(mask.shape, [batch, positions], `${where} mask`);
  const logits = tf.matMul(
    tf.reshape(x, [batch * positions, hidden]),
    gate.variable as unknown as Tensor2D,
    false,
    true,
  );
  const flat =
    mask === undefined ? undefined : (tf.reshape(tf.cast(mask, 'float32'), [batch * positions]) as Tensor1D);
  const live = flat === undefined ? tf.scalar(Math.max(1, batch * positions)) : tf.maximum(tf.sum(flat), 1);
  return { logits: logits as Tensor2D, mask: flat, live: live as Scalar };
}

/** The softmax of the logits, 0 at padding. */
export function gateProbabilities({ logits, mask }: GateInput): Tensor2D {
  const P = tf.softmax(logits);
  return mask === undefined ? P : (tf.mul(P, tf.expandDims(mask, 1)) as Tensor2D);
}

/** Mean over tokens of the squared log-sum-exp of the logits (Zoph 2022, equation 5). */
export function routerZLoss({ logits, mask, live }: GateInput): Scalar {
  const squared = tf.square(logSumExp(logits));
  return tf.div(tf.sum(mask === undefined ? squared : tf.mul(squared, mask)), live) as Scalar;
}

/** `tf.tidy` for a routing decision: keeps what it returns. */
export function tidyRouting(f: () => Routing): Routing {
  return tf.tidy(() => f() as unknown as TensorContainer) as unknown as Routing;
}
