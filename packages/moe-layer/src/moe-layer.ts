/** The mixture-of-experts layer: y = ρ·Σ_j w_tj · Expert_{e_j}(x_t) + Shared(x). */
import type { RouteContext, Router, Routing } from '@spectra/routing';
import { checkShape, checkValue, type Module, type Parameter } from '@spectra/tensor';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import type { Experts } from './experts.ts';
import type { SharedExpert } from './shared-expert.ts';

export interface MoeLayerOptions {
  readonly router: Router;
  readonly experts: Experts;
  readonly shared?: SharedExpert;
  /** ρ, fixed per layer. */
  readonly scale?: number;
}

export interface MoeOutput<T extends Tensor2D | Tensor3D = Tensor3D> {
  /** Of the shape of what went in. */
  readonly output: T;
  readonly routing: Routing;
}

export class MoeLayer implements Module {
  readonly router: Router;
  readonly experts: Experts;
  readonly shared: SharedExpert | undefined;
  readonly scale: number;

  constructor(options: MoeLayerOptions) {
    const { router, experts, scale = 1 } = options;
    checkValue(
      router.experts === experts.count,
      `the router chooses among ${router.experts} experts, the layer has ${experts.count}.`,
      'MoeLayer',
    );
    this.router = router;
    this.experts = experts;
    this.shared = options.shared;
    this.scale = scale;
  }

  /**
   * x [B,S,H] → output [B,S,H] and the routing decision. Padding and dropped slots add nothing (a shared expert
   * still sees every token). Synchronous and differentiable; call it inside a `tidy` or own what it returns.
   */
  forward(x: Tensor3D, context: RouteContext): MoeOutput {
    const [batch, length, hidden] = x.shape;
    checkShape(x.shape, [-1, -1, this.experts.hidden], 'MoeLayer.forward x');
    const rows = x.reshape([batch * length, hidden]) as Tensor2D;
    const { output, routing } = this.mix(rows, x, context);
    return { output: output.reshape(x.shape) as Tensor3D, routing };
  }

  /** `forward` of x [B·S,H], the rows of `batch` sequences one below the other; the output is [B·S,H]. */
  forwardRows(x: Tensor2D, batch: number, context: RouteContext): MoeOutput<Tensor2D> {
    checkShape(x.shape, [-1, this.experts.hidden], 'MoeLayer.forwardRows x');
    const [rows, hidden] = x.shape;
    return this.mix(x, x.reshape([batch, rows / batch, hidden]) as Tensor3D, context);
  }

  private mix(rows: Tensor2D, sequences: Tensor3D, context: RouteContext): MoeOutput<Tensor2D> {
    const routing = this.router.route(sequences, context);
    const weights = (this.scale === 1 ? routing.weights : routing.weights.mul(this.scale)) as Tensor2D;
    const routed = this.experts.mixChosen(rows, weights, routing.indices);
    const output = this.shared === undefined ? routed : routed.add<Tensor2D>(this.shared.forward(rows));
    return { output, routing };
  }

  parameters(): Parameter[] {
    return [...this.router.parameters(), ...this.experts.parameters(), ...(this.shared?.parameters() ?? [])];
  }
}
