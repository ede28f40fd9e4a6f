/** A stream that gives zeros, for weights that are about to be loaded: their names and shapes, without the work. */
import { fill, type Tensor } from '@tensorflow/tfjs-core';
import { Rng } from './rng.ts';

export class BlankRng extends Rng {
  override readonly blank = true;

  constructor() {
    super(0);
  }

  override split(): BlankRng {
    return this;
  }

  override uniform(): number {
    return 0;
  }

  override normal(): number {
    return 0;
  }

  override fillUniform(out: Float32Array): Float32Array {
    return out.fill(0);
  }

  override fillNormal(out: Float32Array): Float32Array {
    return out.fill(0);
  }

  override normalTensor(shape: readonly number[]): Tensor {
    return fill([...shape], 0); // made by the backend: no array on the host
  }

  override uniformTensor(shape: readonly number[]): Tensor {
    return fill([...shape], 0); // made by the backend: no array on the host
  }
}
