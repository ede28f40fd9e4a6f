/** The experts' Gram matrix of earlier batches, which the causal modes take in place of the batch's own. */
import { gramMatrix } from '@spectra/gram';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ResolvedOptions } from './options.ts';
import type { SpectraState } from './router-state.ts';

/** A matrix on the host, and of which average which backend made it. */
interface Made {
  readonly of: Float32Array | undefined;
  readonly backend: string;
  readonly values: Float32Array;
}

export class CausalGram {
  private readonly state: SpectraState;
  private readonly shape: [number, number];
  private made: Made | undefined;

  constructor(state: SpectraState, { experts, routerDim }: Pick<ResolvedOptions, 'experts' | 'routerDim'>) {
    this.state = state;
    this.shape = [experts, routerDim];
  }

  /** G [E,E] of the average of mean_t X, I before any batch; the caller owns it. */
  tensor(): Tensor2D {
    const { mean } = this.state;
    return mean === undefined ? tf.eye(this.shape[0]) : gramMatrix(tf.tensor2d(mean, this.shape));
  }

  /** The same on the host, made once for all tokens until the average changes: every change makes a new array of it. */
  values(): Float32Array {
    const { mean } = this.state;
    const backend = tf.getBackend();
    if (this.made === undefined || this.made.of !== mean || this.made.backend !== backend) {
      this.made = { of: mean, backend, values: tf.tidy(() => this.tensor().dataSync<'float32'>()) };
    }
    return this.made.values;
  }
}
