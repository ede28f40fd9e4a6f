import type { Routing } from '@spectra/routing';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Observation } from './routing-monitor.ts';

/** The part of an observation that a routing decision holds. */
export type RoutingObservation = Pick<
  Observation,
  'indices' | 'slots' | 'weights' | 'probabilities' | 'expertVectors'
>;

/**
 * Reads a decision back to the host. Disposes nothing; do not dispose the decision before it resolves.
 *
 *     monitor.observe({ layer, sequenceLength, tokenIds, ...(await fromRouting(routing)) });
 */
export async function fromRouting(routing: Routing): Promise<RoutingObservation> {
  const read = async (tensor: Tensor | undefined) =>
    tensor === undefined ? undefined : ((await tensor.data()) as Float32Array | Int32Array);
  const [indices, weights, probabilities, expertVectors] = await Promise.all([
    read(routing.indices),
    read(routing.weights),
    read(routing.probabilities),
    read(routing.expertVectors),
  ]);
  return {
    indices: Int32Array.from(indices!),
    slots: routing.indices.shape[1],
    weights,
    probabilities,
    expertVectors,
  };
}
