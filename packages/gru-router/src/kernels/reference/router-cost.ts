/** The gradient of the router's cost in plain tfjs ops: the chain rule over the parts that the cost is composed of. */
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { domainScoreGradient } from '../../domain-score.ts';
import { osrCostGradient } from '../../osr-cost-op.ts';
import type { RouterCostGradientAttrs, RouterCostGradientInputs } from '../../router-cost-op.ts';
import { specialityGradient } from '../../speciality.ts';
import { alongUnit, unitVectors } from './unit-vectors.ts';

/** [dr, dx], [N,E,D] each. */
export function routerCostGradientReference(
  inputs: RouterCostGradientInputs,
  attrs: RouterCostGradientAttrs,
): Tensor[] {
  const { r, x, mask, scores, gram, mean, dScores, dCost, dGram, dMean, dSpecial } = inputs;
  const ofR = unitVectors(r, attrs.normalise);
  const ofX = unitVectors(x, attrs.normalise);

  const ofCost = osrCostGradient({ scores, gram, dy: dCost }, attrs);
  const [dR, dX] = domainScoreGradient({ a: ofR.unit, b: ofX.unit, dy: tf.add(ofCost.scores, dScores) });
  const special = attrs.speciality
    ? tf.add(dR, specialityGradient({ r: ofR.unit as Tensor3D, dy: dSpecial }))
    : dR;

  let atMean = dMean;
  if (attrs.ownGram) {
    const ofMean = unitVectors(mean, true);
    const d = tf.add(ofCost.gram, dGram) as Tensor2D;
    const atUnit = tf.matMul(tf.add(d, tf.transpose(d)) as Tensor2D, ofMean.unit as Tensor2D);
    atMean = tf.add(dMean, alongUnit(ofMean, atUnit));
  }
  const N = r.shape[0]!;
  const share =
    mask === undefined
      ? tf.fill([N], 1 / Math.max(1, N))
      : tf.div(tf.cast(tf.greater(mask, 0), 'float32'), tf.maximum(tf.sum(tf.step(mask)), 1));
  const all = tf.add(dX, tf.mul(tf.reshape(share, [N, 1, 1]), tf.expandDims(atMean, 0)));
  return attrs.normalise ? [alongUnit(ofR, special), alongUnit(ofX, all)] : [special, all];
}
