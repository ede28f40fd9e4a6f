/**
 * Sinkhorn in the log domain in plain tfjs ops: T times f ← −logsumexp_e(g − C/ε), g ← log b − logsumexp_t(f − C/ε),
 * and f once more. Runs on every backend and reads like the method (Cuturi 2013; Peyré & Cuturi 2019, section 4.4).
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Problem, SinkhornAttrs, SinkhornInputs } from './problem.ts';
import { CLOSED, columnLogSum, logMass, logSumExp, problemOf, readable } from './problem.ts';

/** What the op returns, in this order; the wasm kernel returns the same. */
export const OUTPUTS = ['plan', 'f', 'g', 'history', 'steps', 'rowError', 'columnError', 'firstBad'] as const;

export function sinkhornReference(inputs: SinkhornInputs, attrs: SinkhornAttrs): Tensor[] {
  const [N, E] = inputs.cost.shape;
  const { groups: m, iterations } = attrs;
  const problem = problemOf(inputs, attrs);
  const { x, shift, live, tokens, open, b } = problem;
  const { history, steps, g, f } = iterate(problem, startOf(inputs, problem, attrs), attrs);

  const plan = tf.mul(tf.exp(tf.add(tf.add(x, f), g)), live);
  const columns = tf.abs(tf.sub(tf.sum(plan, 0, true), b));
  const rows = tf.mul(tf.abs(tf.sub(tf.sum(plan, 2, true), 1)), live);
  const isOpen = tf.cast(open, 'float32');
  // from the largest down, so that equal potentials are centred to exactly 0 whatever their rounding
  const highest = tf.max(g, 2, true);
  const below = tf.where(open, tf.sub(g, highest), 0);
  const mean = tf.div(tf.sum(below, 2, true), tf.sum(isOpen, 2, true));
  const centre = tf.add(highest, mean);
  const minusInfinity = tf.fill([1, 1, 1], Number.NEGATIVE_INFINITY);
  const padded = tf.tile(tf.reshape(history[history.length - 1]!, [1, E]), [
    iterations + 2 - history.length,
    1,
  ]);
  return [
    tf.reshape(plan, [N, E]),
    tf.reshape(tf.where(tf.greater(live, 0), tf.add(tf.add(f, shift), centre), minusInfinity), [N, m]),
    tf.reshape(tf.where(open, tf.sub(below, mean), minusInfinity), [E]),
    tf.concat([...history.slice(0, -1).map(row => tf.reshape(row, [1, E])), padded], 0),
    tf.cast(tf.reshape(steps, [m]), 'int32'),
    tf.max(rows),
    tf.div(tf.mul(tf.max(columns), E / m), tf.maximum(tokens, 1)),
    firstBad(inputs),
  ];
}

function startOf(
  { start, cost }: SinkhornInputs,
  { open }: Problem,
  { epsilon, groups: m }: SinkhornAttrs,
): Tensor {
  const shape = [1, m, cost.shape[1] / m];
  const g = start === undefined ? tf.zeros(shape) : tf.reshape(tf.div(start, epsilon), shape);
  return tf.where(open, g, tf.fill([1, 1, 1], CLOSED));
}

interface Iterated {
  /** g before each step and after the last, [1,m,w] each. */
  readonly history: Tensor[];
  readonly steps: Tensor;
  readonly g: Tensor;
  readonly f: Tensor;
}

function iterate(problem: Problem, start: Tensor, { iterations, tolerance }: SinkhornAttrs): Iterated {
  const { x, open, b, tokens } = problem;
  const w = x.shape[2];
  const logB = logMass(problem);
  const closed = tf.fill([1, 1, 1], CLOSED);
  const perToken = tf.div(w, tf.maximum(tokens, 1));
  const history = [start];
  let state = {
    f: tf.neg(logSumExp(tf.add(x, start), 2)),
    done: tf.zeros([1, x.shape[1], 1]),
    steps: tf.zeros([1, x.shape[1], 1]),
  };
  for (let i = 0; i < iterations; i++) {
    const before = history[i]!;
    const next = tf.tidy(() => {
      const column = columnLogSum(problem, state.f);
      let { done } = state;
      if (tolerance !== undefined) {
        const miss = tf.abs(tf.sub(tf.exp(tf.add(column, before)), b));
        const error = tf.mul(tf.max(miss, 2, true), perToken);
        done = tf.maximum(done, tf.cast(tf.lessEqual(error, tolerance), 'float32'));
      }
      // where nothing is to be moved (no token at all, or a group that is done) g stays as it is
      const stays = tf.logicalOr(tf.greater(done, 0), tf.lessEqual(tokens, 0));
      const g = tf.where(stays, before, tf.where(open, tf.sub(logB, column), closed));
      return {
        g,
        done: done.clone(),
        steps: tf.add(state.steps, tf.sub(1, tf.cast(stays, 'float32'))),
        f: tf.neg(logSumExp(tf.add(x, g), 2)),
      };
    });
    tf.dispose(state);
    state = { f: next.f, done: next.done, steps: next.steps };
    history.push(next.g);
    if (tolerance !== undefined && readable() && tf.tidy(() => tf.min(next.done).dataSync()[0]) === 1) break;
  }
  return { history, steps: state.steps, f: state.f, g: history[history.length - 1]! };
}

/** [] int32: token·E + expert of the first NaN or infinite cost that is not padding, −1 if there is none. */
function firstBad({ cost, mask }: SinkhornInputs): Tensor {
  const [N, E] = cost.shape;
  const bad = tf.sub(1, tf.cast(tf.isFinite(cost), 'float32'));
  const counted =
    mask === undefined ? bad : tf.mul(bad, tf.reshape(tf.cast(tf.greater(mask, 0), 'float32'), [N, 1]));
  // positions in two levels: a row and a column are exact in float32 where their product is not
  const tokens = tf.reshape(tf.range(0, N, 1, 'float32'), [N, 1]);
  const row = tf.min(tf.add(tokens, tf.mul(tf.sub(1, tf.max(counted, 1, true)), N)));
  const inRow = tf.mul(counted, tf.cast(tf.equal(tokens, row), 'float32'));
  const experts = tf.reshape(tf.range(0, E, 1, 'float32'), [1, E]);
  const column = tf.min(tf.add(experts, tf.mul(tf.sub(1, tf.max(inRow, 0, true)), E)));
  const found = tf.cast(tf.less(row, N), 'int32');
  const position = tf.add(tf.mul(tf.cast(row, 'int32'), E), tf.cast(column, 'int32'));
  return tf.cast(tf.sub(tf.mul(tf.add(position, 1), found), 1), 'int32');
}
