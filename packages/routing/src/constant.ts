/** Decisions are constants of the loss: no gradient flows through a choice of experts. */
import { engine } from '@tensorflow/tfjs-core';

/**
 * Runs `f` without recording it on the gradient tape, so that what it returns is a constant even where it was
 * computed from variables. (tfjs has no stop-gradient, and an op without a gradient that lies between a variable
 * and the loss is an error.) `f` must not differentiate anything itself.
 */
export function constant<T>(f: () => T): T {
  const { state } = engine();
  const depth = state.gradientDepth;
  state.gradientDepth = 0;
  try {
    return f();
  } finally {
    state.gradientDepth = depth;
  }
}
