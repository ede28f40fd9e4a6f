/** Trainable tensors with the names they have in a checkpoint. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { variable } from '@tensorflow/tfjs-core';

/** Which learning-rate group a parameter belongs to when a config names none for it. */
export type ParameterRole = 'router' | 'expert' | 'other';

export interface ParameterOptions {
  readonly role?: ParameterRole;
  /** Whether AdamW decays it; by default matrices are, vectors (norms, biases) are not. */
  readonly decay?: boolean;
}

/** A named trainable tensor. It owns its variable and takes over `initial`, which must not be used after. */
export class Parameter {
  readonly name: string;
  readonly role: ParameterRole;
  readonly decay: boolean;
  readonly variable: Variable;
  trainable = true;

  constructor(name: string, initial: Tensor, options: ParameterOptions = {}) {
    this.name = name;
    this.role = options.role ?? 'other';
    this.decay = options.decay ?? initial.rank >= 2;
    this.variable = variable(initial);
    initial.dispose();
  }

  get shape(): readonly number[] {
    return this.variable.shape;
  }

  dispose(): void {
    this.variable.dispose();
  }
}

/** Anything that holds parameters; lists each once, in a fixed order. */
export interface Module {
  parameters(): Parameter[];
}
