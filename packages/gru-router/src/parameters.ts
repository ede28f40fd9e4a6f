/** The learned part of a SPECTRA router. Layers share it ("global") or have one each ("per-layer"). */
import { ExpressionProjector, orthogonalFromRng } from '@spectra/gram';
import { type Module, Parameter, type Rng } from '@spectra/tensor';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type ResolvedShape, resolveShape, type SpectraRouterShape } from './options.ts';
import { RouterRecurrence } from './router-recurrence.ts';

/**
 * Parameters after a prefix: those of `RouterRecurrence` (with `depth_embedding` if shared), `projection.weight` and
 * `expression.weight`. It owns them: `dispose` frees them.
 */
export class SpectraRouterParameters implements Module {
  readonly shape: ResolvedShape;
  readonly recurrence: RouterRecurrence;
  private readonly projection: Parameter;
  private readonly projector: ExpressionProjector | undefined;
  private readonly embedding: Parameter | undefined;

  /**
   * Drawn from streams of `rng` by name, so that one part's size does not move another's values: recurrence and
   * projection uniform in ±1/√G, expression orthogonal.
   */
  constructor(shape: SpectraRouterShape, rng: Rng, prefix = '') {
    this.shape = resolveShape(shape);
    const { hidden: H, experts: E, routerDim: D, stateSize: G, expression } = this.shape;
    this.recurrence = new RouterRecurrence(this.shape, rng, prefix);
    const bound = 1 / Math.sqrt(G);
    const drawn = rng.split('projection.weight').uniformTensor([E * D, G], -bound, bound);
    this.projection = new Parameter(`${prefix}projection.weight`, drawn, { role: 'router' });
    const name = `${prefix}expression.weight`;
    if (expression === 'projector') {
      const { orthogonalise, newtonSchulzSteps } = this.shape;
      this.projector = new ExpressionProjector(
        { hidden: H, experts: E, dim: D, orthogonalise, newtonSchulzSteps, name },
        rng.split('expression'),
      );
    } else {
      const initial = orthogonalFromRng(rng.split('expression'), E, D);
      this.embedding = new Parameter(name, initial, { role: 'router' });
    }
  }

  parameters(): Parameter[] {
    return [
      ...this.recurrence.parameters(),
      this.projection,
      ...(this.projector?.parameters() ?? []),
      ...(this.embedding === undefined ? [] : [this.embedding]),
    ];
  }

  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  /** The projections as matrices [E·D,G] and [E·D,H], where X is one of the hidden state as it is stored. */
  projections(): { readonly projection: Tensor2D; readonly expression: Tensor2D } | undefined {
    if (this.projector?.orthogonalise !== 'init') return undefined;
    return { projection: matrix(this.projection), expression: matrix(this.projector.weight) };
  }

  /** [N,E,D] of context [N,G]: normalised over D, the routing vectors R. */
  routingRows(context: Tensor2D): Tensor3D {
    const { experts, routerDim } = this.shape;
    const rows = tf.matMul(context, matrix(this.projection), false, true);
    return tf.reshape(rows, [-1, experts, routerDim]) as Tensor3D;
  }

  /** [N,E,D] of hidden states [N,H]: normalised over D, the expressions X. */
  expressionRows(rows: Tensor2D): Tensor3D {
    if (this.projector !== undefined) return this.projector.rows(rows);
    return tf.tile(tf.expandDims(this.embedding!.variable, 0), [rows.shape[0], 1, 1]) as Tensor3D;
  }
}

function matrix(parameter: Parameter): Tensor2D {
  return parameter.variable as unknown as Tensor2D;
}
