/** Seeded drawing of weights: one stream per parameter name, so that a parameter's value depends on nothing else. */
import { BlankRng, Parameter, type ParameterOptions, Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Makes parameters. Two models of one seed that differ in a part (another router, one more layer) hold the same
 * numbers in every parameter they share by name and shape.
 */
export class Initializer {
  /** Routers and experts draw from it, each by its own names. */
  readonly rng: Rng;

  /** `blank`: nothing is drawn, for a model whose weights are about to be loaded. */
  constructor(seed: number, blank = false) {
    this.rng = blank ? new BlankRng() : new Rng(seed);
  }

  /** Normal numbers of mean 0. */
  normal(name: string, shape: readonly number[], std: number, options?: ParameterOptions): Parameter {
    return new Parameter(name, this.rng.split(name).normalTensor(shape, 0, std), options);
  }

  constant(name: string, shape: readonly number[], value: number, options?: ParameterOptions): Parameter {
    return new Parameter(name, tf.fill([...shape], value), options);
  }

  /** A linear map's [out,in] weights; without `std` that of PyTorch's uniform ±1/√in, which is 1/√(3·in). */
  linear(name: string, outputs: number, inputs: number, std = 1 / Math.sqrt(3 * inputs)): Parameter {
    return this.normal(name, [outputs, inputs], std);
  }
}
