/**
 * The contract between routers and everything that consumes a routing decision: layers, losses, monitor.
 * N = B·S tokens in row-major order of [B,S].
 */

import type { Module } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';

/**
 * `batch`: balanced over the routing batch, not causal. `potentials`: prices from earlier batches, causal.
 * `none`: no price, causal. Routers without a batch rule treat `batch` as their published training rule and
 * the other two as their causal one.
 */
export type Balance = 'batch' | 'potentials' | 'none';

export interface RouteContext {
  readonly balance: Balance;
  /** Whether losses and statistics are wanted. */
  readonly training: boolean;
  /** Optimizer steps done so far, for warm-ups and for what is drawn anew in each step. */
  readonly step: number;
  /** [B,S] float32, 1 for a token, 0 for padding; none means all tokens. */
  readonly mask?: Tensor2D;
  /** [B,S] float32, 1 at the first token of each packed document; recurrent state restarts there. */
  readonly documentStart?: Tensor2D;
  /** [B,S] int32 token ids, for routers that go by the token itself. */
  readonly tokens?: Tensor2D;
  /** [B,S] int32 position of each token in its document. */
  readonly positions?: Tensor2D;
  /** [B,S,G] the `carry` of the router one layer below; none below the first layer. */
  readonly below?: Tensor3D;
  /** [B,G] this layer's recurrent state after the positions before x; none means zeros. */
  readonly cache?: Tensor2D;
}

/** One routing decision. All tensors belong to the caller (inside a `tidy`, to the tidy). */
export interface Routing {
  /** [N,slots] int32, experts by falling score; −1 for a dropped slot and at padding. */
  readonly indices: Tensor2D;
  /** [N,slots] float32 gates, 0 where the index is −1; carries the gradient. */
  readonly weights: Tensor2D;
  /** [N,E] float32 routing distribution, rows of padding 0. */
  readonly probabilities: Tensor2D;
  /** [E] int32 slots dispatched to each expert. */
  readonly load: Tensor1D;
  /** Weighted sum of the router's losses, to be added to the task's; 0 when not training. */
  readonly loss: Scalar;
  /** Each loss unweighted, by name, for logs; empty when not training. */
  readonly losses: Readonly<Record<string, Scalar>>;
  /** What `commit` needs of this micro-batch; empty when not training. Names and meaning are the router's own. */
  readonly statistics: Readonly<Record<string, Tensor>>;
  /** [E,D] a vector per expert whose normalised Gram matrix measures distinctness; none for hash and random. */
  readonly expertVectors?: Tensor2D;
  /** [B,S,G] recurrent output for the router one layer above. */
  readonly carry?: Tensor3D;
  /** [B,G] recurrent state after the last position, for decoding. */
  readonly cache?: Tensor2D;
}

/** A statistic of one micro-batch, read back to the host. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}
export type HostStatistics = Readonly<Record<string, HostArray>>;

/** State a router carries from step to step (prices, averages), as named float32 arrays for checkpoints. */
export type RouterState = Readonly<Record<string, HostArray>>;

export interface Router extends Module {
  /** The name it has in a config, e.g. `spectra`, `softmax-topk`. */
  readonly kind: string;
  readonly experts: number;
  /** Slots per token in `Routing.indices`. */
  readonly slots: number;
  /** x [B,S,H] → a decision. Synchronous, differentiable, and it changes no state. */
  route(x: Tensor3D, context: RouteContext): Routing;
  /**
   * Commits one optimizer step: the statistics of all its micro-batches in a fixed order. The only way state
   * changes; evaluation never calls it. `rho` in [0, 1) is the momentum of its moving averages in this step, in the place
   * of the router's own.
   */
  commit(statistics: readonly HostStatistics[], rho?: number): void;
  state(): RouterState;
  /** Replaces the state; a missing, unknown or misshapen entry is a `CHECKPOINT_MISMATCH` error. */
  loadState(state: RouterState): void;
}
