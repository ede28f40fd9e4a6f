/** Gradients of several micro-batches, added in the order given: floating-point addition is not associative. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { add, keep, mul, tidy } from '@tensorflow/tfjs-core';

export class GradientAccumulator {
  private sums = new Map<string, Tensor>();
  private batches = 0;

  /** How many micro-batches were added since the last `take`. */
  get count(): number {
    return this.batches;
  }

  /** Adds one micro-batch's gradients; a name it lacks counts as 0. The caller keeps its tensors. */
  add(grads: ReadonlyMap<string, Tensor>): void {
    for (const [name, grad] of grads) {
      const sum = this.sums.get(name);
      this.sums.set(name, keep(sum === undefined ? grad.clone() : add(sum, grad)));
      sum?.dispose();
    }
    this.batches++;
  }

  /** Hands over the sums times `scale` and starts afresh; the caller owns them. */
  take(scale = 1): Map<string, Tensor> {
    const sums = this.sums;
    this.sums = new Map();
    this.batches = 0;
    if (scale === 1) return sums;
    for (const [name, sum] of sums) {
      sums.set(name, keep(tidy(() => mul(sum, scale))));
      sum.dispose();
    }
    return sums;
  }

  /** Hands over the means over the micro-batches; the caller owns them. */
  takeMean(): Map<string, Tensor> {
    return this.take(1 / Math.max(1, this.batches));
  }

  dispose(): void {
    for (const sum of this.take().values()) sum.dispose();
  }
}
