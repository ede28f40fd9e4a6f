import type { Routing } from '@spectra/routing';
import { readTensors } from '@spectra/tensor';
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
  const { indices, weights, probabilities, expertVectors } = routing;
  const read = await readTensors({
    indices,
    weights,
    probabilities,
    ...(expertVectors === undefined ? {} : { expertVectors }),
  });
  return {
    indices: Int32Array.from(read.indices),
    slots: indices.shape[1],
    weights: read.weights,
    probabilities: read.probabilities,
    expertVectors: read.expertVectors,
  };
}
