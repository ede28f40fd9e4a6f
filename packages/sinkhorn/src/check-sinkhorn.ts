/** The read-back check of a Sinkhorn run. */
import * as tf from '@tensorflow/tfjs-core';
import type { SinkhornResult } from './sinkhorn.ts';
import { throwIfBad } from './sinkhorn.ts';

export interface SinkhornReport {
  /** g steps taken. */
  readonly steps: number;
  readonly rowError: number;
  readonly columnError: number;
  readonly converged: boolean;
}

/**
 * Reads a result's scalars back. This is how WebGPU finds a cost that is not finite: call it at the
 * step's read-back, before anything the plan has touched is committed. The result stays the caller's.
 *
 * @throws SpectraError `NOT_FINITE` naming the first bad cost.
 */
export async function checkSinkhorn(result: SinkhornResult): Promise<SinkhornReport> {
  const packed = tf.tidy(() => {
    const parts = [result.steps, result.rowError, result.columnError, result.converged];
    return tf.stack(parts.map(part => tf.cast(part, 'float32')));
  });
  const [scalars, position] = await Promise.all([packed.data(), result.firstBad.data()]);
  packed.dispose();
  throwIfBad(position[0]!, result.plan);
  const [steps, rowError, columnError, converged] = scalars as Float32Array;
  return { steps: steps!, rowError: rowError!, columnError: columnError!, converged: converged === 1 };
}
