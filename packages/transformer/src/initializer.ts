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
  /** Nothing is drawn: for a model whose weights are about to be loaded. */
  readonly zeros: boolean;

  constructor(seed: number, zeros = false) {
    this.rng = zeros ? new BlankRng() : new Rng(seed);
    this.zeros = zeros;
  }

  /** Normal numbers of mean 0. */
  normal(name: string, shape: readonly number[], std: number, options?: ParameterOptions): Parameter {
    if (this.zeros) return this.constant(name, shape, 0, options);
    const stream = this.rng.split(name);
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] = std * stream.normal();
    return new Parameter(name, tf.tensor(values, [...shape]), options);
  }

  constant(name: string, shape: readonly number[], value: number, options?: ParameterOptions): Parameter {
    return new Parameter(name, tf.fill([...shape], value), options);
  }

  /** A linear map's [out,in] weights; without `std` that of PyTorch's uniform ±1/√in, which is 1/√(3·in). */
  linear(name: string, outputs: number, inputs: number, std = 1 / Math.sqrt(3 * inputs)): Parameter {
    return this.normal(name, [outputs, inputs], std);
  }
}
