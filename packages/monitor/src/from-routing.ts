import type { Routing } from '@spectra/routing';
import { readTensors } from '@spectra/tensor';
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
 *     monitor.observe({ layer, sequenceLength, tokenIds, mask, ...(await fromRouting(routing)) });
 *
 * `mask` [N] only where there is padding: a decision does not say which of its rows without experts that are.
 */
export async function fromRouting(routing: Routing): Promise<RoutingObservation> {
  const { indices, weights, probabilities, expertVectors } = routing;
  const tensors: Record<string, Tensor> = { indices, weights, probabilities };
  if (expertVectors !== undefined) tensors.expertVectors = expertVectors;
  const read = await readTensors(tensors);
  return {
    indices: Int32Array.from(read.indices!),
    slots: indices.shape[1],
    weights: read.weights,
    probabilities: read.probabilities,
    expertVectors: read.expertVectors,
  };
}
