/** A tensor that the result takes over as it is. */
import type { SafetensorsDtype, TensorInfo } from '@spectra/checkpoint';
import type { Content, PlannedTensor } from './plan.ts';

/** Says by getters what is the same for all: a trillion-parameter model carries a hundred thousand. */
export class CarriedTensor implements PlannedTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];

  constructor({ name, dtype, shape }: TensorInfo) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
  }

  get role(): 'carried' {
    return 'carried';
  }

  get transform(): string {
    return 'carried over';
  }

  get sources(): readonly string[] {
    return [this.name];
  }

  get content(): Content {
    return { kind: 'stored', parts: [{ source: this.name }] };
  }
}
