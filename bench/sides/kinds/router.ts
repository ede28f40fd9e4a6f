/** The whole router, alone and in a mixture-of-experts layer. */
import { SpectraRouter, SpectraRouterParameters } from '@spectra/gru-router';
import { Experts, MoeLayer } from '@spectra/moe-layer';
import type { RouteContext } from '@spectra/routing';
import { Parameter, Rng } from '@spectra/tensor';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Params } from '../../protocol.ts';
import type { Work } from '../serve.ts';
import { tensorOf } from '../tape.ts';
import { fill, parameterWork } from './parameters.ts';

/** A training step past the warm-up of the orthogonality loss. */
const TRAINING: RouteContext = { balance: 'batch', training: true, step: 1000 };

function spectraRouter(params: Params): SpectraRouter {
  const { H, E, D, G, k, iterations, recurrence, selection } = params;
  const learned = new SpectraRouterParameters(
    {
      hidden: H as number,
      experts: E as number,
      routerDim: D as number,
      stateSize: G as number,
      recurrence: recurrence as 'sequence',
    },
    new Rng(0),
  );
  return new SpectraRouter(learned, {
    k: k as number,
    iterations: iterations as number,
    selection: selection as 'top-k',
  });
}

export function routerWork(params: Params, inputs: Arrays): Work {
  const router = spectraRouter(params);
  fill(router.parameters(), inputs);
  const x = new Parameter('x', tensorOf(inputs.x!));
  const dWeights = tensorOf(inputs.cotangent!);
  return parameterWork([x, ...router.parameters()], [dWeights], () => {
    const { weights, loss } = router.route(x.variable as tf.Tensor as Tensor3D, TRAINING);
    return { loss: tf.add(tf.sum(tf.mul(weights, dWeights)), loss), outputs: { weights, loss } };
  });
}

export function moeLayerWork(params: Params, inputs: Arrays): Work {
  const layer = new MoeLayer({
    router: spectraRouter(params),
    experts: new Experts({
      prefix: '',
      experts: params.E as number,
      hidden: params.H as number,
      intermediate: params.I as number,
      rng: new Rng(0),
    }),
  });
  fill(layer.parameters(), inputs);
  const x = new Parameter('x', tensorOf(inputs.x!));
  const dOutput = tensorOf(inputs.cotangent!);
  return parameterWork([x, ...layer.parameters()], [dOutput], () => {
    const { output, routing } = layer.forward(x.variable as tf.Tensor as Tensor3D, TRAINING);
    return {
      loss: tf.add(tf.sum(tf.mul(output, dOutput)), routing.loss),
      outputs: { output, loss: routing.loss },
    };
  });
}
