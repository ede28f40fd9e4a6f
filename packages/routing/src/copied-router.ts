/** A router of a mixture whose experts stand in consecutive copies: it scores the originals, their copies share a gate. */
import { checkValue, type Parameter } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { tidyRouting } from './linear-gate.ts';
import type { HostStatistics, RouteContext, Router, RouterState, Routing } from './router.ts';

/**
 * Of `copies` c and a router with k slots of E experts makes one with c·k of c·E: where that one chooses expert e with
 * gate w, this one chooses c·e … c·e + c − 1 with w/c each. Parameters, losses and state are those of the router given,
 * which belongs to this one. Any router then suits experts that were doubled (`expand` of `@spectra/upcycle`).
 */
export class CopiedRouter implements Router {
  readonly kind: string;
  readonly experts: number;
  readonly slots: number;
  private readonly copies: number;
  private readonly original: Router;

  constructor(original: Router, copies: number) {
    checkValue(
      Number.isSafeInteger(copies) && copies >= 1,
      `copies is ${copies}, it must be a positive whole number.`,
      'CopiedRouter',
    );
    this.kind = original.kind;
    this.experts = copies * original.experts;
    this.slots = copies * original.slots;
    this.copies = copies;
    this.original = original;
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    return tidyRouting(() => {
      const routing = this.original.route(x, context);
      const { indices, weights, probabilities, load, expertVectors } = routing;
      const [tokens, slots] = indices.shape;
      const first = tf.expandDims(tf.mul(indices, tf.scalar(this.copies, 'int32')), 2);
      const each = tf.add(first, tf.range(0, this.copies, 1, 'int32'));
      // −1, a dropped slot, is no expert whatever the copy
      const copied = tf.where(tf.less(first, 0), tf.scalar(-1, 'int32'), each);
      return {
        ...routing,
        indices: tf.reshape(copied, [tokens, slots * this.copies]) as Tensor2D,
        weights: this.shared(weights),
        probabilities: this.shared(probabilities),
        load: this.repeated(load, 0) as Tensor1D,
        ...(expertVectors === undefined
          ? {}
          : { expertVectors: this.repeated(expertVectors, 0) as Tensor2D }),
      };
    });
  }

  commit(statistics: readonly HostStatistics[], rho?: number): void {
    this.original.commit(statistics, rho);
  }

  state(): RouterState {
    return this.original.state();
  }

  loadState(state: RouterState): void {
    this.original.loadState(state);
  }

  parameters(): Parameter[] {
    return this.original.parameters();
  }

  /** [N,n] → [N,c·n], each value in equal shares. */
  private shared(x: Tensor2D): Tensor2D {
    return tf.div(this.repeated(x, 1), this.copies) as Tensor2D;
  }

  /** Each entry along the axis c times, one after the other. */
  private repeated(x: tf.Tensor, axis: number): tf.Tensor {
    const shape = [...x.shape];
    shape[axis]! *= this.copies;
    const wide = tf.expandDims(x, axis + 1);
    const repeats = wide.shape.map((_, i) => (i === axis + 1 ? this.copies : 1));
    return tf.reshape(tf.tile(wide, repeats), shape);
  }
}
