/** What a case of a repair is, and what the cases share. For the tests. */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from '../define-op.ts';
import type { RepairName } from './install.ts';

/** Shows one fault: what is computed, and what is right. */
export interface Case {
  readonly repair: RepairName;
  readonly about: string;
  /** Where the fault shows; elsewhere the result is right with and without the repair. */
  readonly backends: readonly BackendName[];
  readonly run: () => tf.Tensor | tf.Tensor[];
  readonly expected: readonly number[];
  /** How far a backend may be off that sums in another order. */
  readonly slack?: number;
}

export const int = (values: number[], shape?: number[]): tf.Tensor =>
  tf.tensor(values, shape ?? [values.length], 'int32');
