/** Routers that learn nothing: by a hash of the token (Roller 2021), or at random. */
import { checkShape, checkValue, type Parameter, Rng, SpectraError } from '@spectra/tensor';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expertLoad } from './expert-load.ts';
import { gateWeights } from './gate-weights.ts';
import { chosenMask } from './group-limit.ts';
import { hashScores } from './hash-scores.ts';
import type { TokenRows } from './linear-gate.ts';
import { tidyRouting, tokenRows } from './linear-gate.ts';
import type { RouteContext, Router, RouterState, Routing } from './router.ts';
import { checkRouterState } from './router-state.ts';
import { selectTopK } from './select-top-k.ts';
import { checkChoice } from './selection.ts';

export interface UnlearnedRouterOptions {
  readonly experts: number;
  /** H, the width of the tokens. */
  readonly hidden: number;
  /** Experts per token. */
  readonly k: number;
  /** What the choice is drawn from: another stream for each layer. It must be the same whenever the model is built. */
  readonly rng: Rng;
}

/** What the two share: k experts by falling hash, each with gate 1/k; no parameters, losses or state. */
abstract class UnlearnedRouter implements Router {
  abstract readonly kind: string;
  readonly experts: number;
  readonly slots: number;
  private readonly hidden: number;
  private readonly key: readonly [number, number];

  constructor({ experts, hidden, k, rng }: UnlearnedRouterOptions) {
    checkChoice(experts, k, 1, 'UnlearnedRouter');
    checkValue(
      Number.isInteger(hidden) && hidden >= 1,
      `hidden must be a positive integer, got ${hidden}.`,
      'UnlearnedRouter',
    );
    this.experts = experts;
    this.slots = k;
    this.hidden = hidden;
    const stream = new Rng(rng.state());
    this.key = [stream.uint32(), stream.uint32()];
  }

  /** [N,E] what experts are chosen by. */
  protected abstract scores(tokens: Tensor, context: RouteContext, key: readonly [number, number]): Tensor2D;

  /** [N,E] for tokens; padding is cleared later. */
  protected abstract distribution(indices: Tensor2D): Tensor2D;

  parameters(): Parameter[] {
    return [];
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    return tidyRouting(() => {
      const { mask, batch, positions }: TokenRows = tokenRows(x, this.hidden, context, this.kind);
      const ids = required(context.tokens, 'tokens', this.kind);
      checkShape(ids.shape, [batch, positions], `${this.kind} tokens`);
      const options = mask === undefined ? {} : { mask };
      const indices = selectTopK(this.scores(ids, context, this.key), this.slots, options);
      const even = tf.ones([batch * positions, this.experts]) as Tensor2D;
      const distribution = this.distribution(indices);
      return {
        indices,
        weights: gateWeights(even, indices),
        probabilities:
          mask === undefined ? distribution : (tf.mul(distribution, tf.expandDims(mask, 1)) as Tensor2D),
        load: expertLoad(indices, this.experts),
        loss: tf.scalar(0),
        losses: {},
        statistics: {},
      };
    });
  }

  /** Nothing to commit: the router has no state. */
  commit(): void {}

  state(): RouterState {
    return {};
  }

  loadState(state: RouterState): void {
    checkRouterState(state, {}, this.kind);
  }
}

/**
 * A fixed random hash of the token id (Roller et al. 2021, "Hash Layers for Large Sparse Models"; there with k = 1): the
 * same k experts for every occurrence of a token. Causal in every mode. Needs `tokens` in the context.
 */
export class HashRouter extends UnlearnedRouter {
  readonly kind = 'hash';

  protected scores(tokens: Tensor, _context: RouteContext, [a, b]: readonly [number, number]): Tensor2D {
    return hashScores(tokens, undefined, this.experts, [a, b, 0, 0]);
  }

  protected distribution(indices: Tensor2D): Tensor2D {
    return tf.div(tf.cast(chosenMask(indices, this.experts), 'float32'), this.slots);
  }
}

/**
 * k experts drawn uniformly for each token (the stochastic experts of Zuo et al. 2022, THOR), anew in every training step.
 * The draw is keyed by token id, position in the document and step, evaluation counting as one more step: so it is the
 * same in one pass and token by token, packed or alone, and in a recomputed layer. Causal in every mode. Needs `tokens`
 * and `positions` in the context.
 */
export class RandomRouter extends UnlearnedRouter {
  readonly kind = 'random';

  protected scores(tokens: Tensor, context: RouteContext, [a, b]: readonly [number, number]): Tensor2D {
    const positions = required(context.positions, 'positions', this.kind);
    return hashScores(tokens, positions, this.experts, [a, b, 1, context.training ? context.step + 1 : 0]);
  }

  protected distribution(indices: Tensor2D): Tensor2D {
    return tf.fill([indices.shape[0], this.experts], 1 / this.experts);
  }
}

function required(tensor: Tensor2D | undefined, name: string, where: string): Tensor2D {
  if (tensor !== undefined) return tensor;
  throw new SpectraError('VALUE', {
    message: `this router goes by the token, but the context has no ${name}.`,
    where,
    fix: `Give \`${name}\` [B,S] int32 in the RouteContext, as DecoderModel does.`,
  });
}
