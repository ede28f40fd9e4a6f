/** The learned part of a SPECTRA router. Layers share it ("global") or have one each ("per-layer"). */
import { ExpressionProjector, orthogonalFromRng } from '@spectra/gram';
import { type Module, normalise, Parameter, type Rng } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { GruWeights } from './gru.ts';
import { type ResolvedShape, resolveShape, type SpectraRouterShape } from './options.ts';

/** The deviation of a new depth embedding. */
const DEPTH_DEVIATION = 0.02;

/**
 * Parameters named as in PyTorch, after a prefix: `gru.weight_ih`, `gru.weight_hh`, `gru.bias_ih`, `gru.bias_hh` (or
 * `context.weight`, `context.bias` without a recurrence), `projection.weight`, `expression.weight` and, if shared,
 * `depth_embedding`. It owns them: `dispose` frees them.
 */
export class SpectraRouterParameters implements Module {
  readonly shape: ResolvedShape;
  private readonly gru: Readonly<Record<keyof GruWeights, Parameter>> | undefined;
  private readonly context: { readonly weight: Parameter; readonly bias: Parameter } | undefined;
  private readonly projection: Parameter;
  private readonly projector: ExpressionProjector | undefined;
  private readonly embedding: Parameter | undefined;
  private readonly depth: Parameter | undefined;

  /**
   * Drawn from streams of `rng` by name, so that one part's size does not move another's values: recurrence and
   * projection uniform in ±1/√G, expression orthogonal, depth embedding normal.
   */
  constructor(shape: SpectraRouterShape, rng: Rng, prefix = '') {
    this.shape = resolveShape(shape);
    const { hidden: H, experts: E, routerDim: D, stateSize: G, recurrence, expression } = this.shape;
    const bound = 1 / Math.sqrt(G);
    const uniform = (name: string, size: number[]) =>
      new Parameter(`${prefix}${name}`, rng.split(name).uniformTensor(size, -bound, bound), {
        role: 'router',
      });

    if (recurrence === 'none') {
      this.context = { weight: uniform('context.weight', [G, H]), bias: uniform('context.bias', [G]) };
    } else {
      const width = recurrence === 'grid' ? H + G : H;
      this.gru = {
        weightIh: uniform('gru.weight_ih', [3 * G, width]),
        weightHh: uniform('gru.weight_hh', [3 * G, G]),
        biasIh: uniform('gru.bias_ih', [3 * G]),
        biasHh: uniform('gru.bias_hh', [3 * G]),
      };
    }
    this.projection = uniform('projection.weight', [E * D, G]);
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
    if (this.shape.depthEmbedding !== undefined) {
      const initial = rng.split('depth').normalTensor([this.shape.depthEmbedding, H], 0, DEPTH_DEVIATION);
      this.depth = new Parameter(`${prefix}depth_embedding`, initial, { role: 'router', decay: false });
    }
  }

  parameters(): Parameter[] {
    return [
      ...Object.values(this.gru ?? this.context ?? {}),
      this.projection,
      ...(this.projector?.parameters() ?? []),
      ...[this.embedding, this.depth].filter(p => p !== undefined),
    ];
  }

  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  /** The recurrence's weights. Only for recurrences that have one. */
  gruWeights(): GruWeights {
    const { weightIh, weightHh, biasIh, biasHh } = this.gru!;
    return {
      weightIh: weightIh.variable as unknown as Tensor2D,
      weightHh: weightHh.variable as unknown as Tensor2D,
      biasIh: biasIh.variable as unknown as Tensor1D,
      biasHh: biasHh.variable as unknown as Tensor1D,
    };
  }

  /** h = tanh(W x + b) of rows [N,H] → [N,G], the context of a router without a recurrence. */
  pointwise(rows: Tensor2D): Tensor2D {
    const { weight, bias } = this.context!;
    return tf.tanh(tf.add(tf.matMul(rows, matrix(weight), false, true), bias.variable)) as Tensor2D;
  }

  /** x [B,S,H] plus the layer's depth embedding, if there is one. */
  atDepth(x: Tensor3D, layer: number): Tensor3D {
    if (this.depth === undefined) return x;
    return tf.add(x, tf.slice(this.depth.variable as Tensor, [layer, 0], [1, -1]));
  }

  /** R [N,E,D], normalised over D, of context [N,G]. */
  routingVectors(context: Tensor2D): Tensor3D {
    const { experts, routerDim } = this.shape;
    const rows = tf.matMul(context, matrix(this.projection), false, true);
    return normalise(tf.reshape(rows, [-1, experts, routerDim])) as Tensor3D;
  }

  /** X [N,E,D], normalised over D, of hidden states [N,H]. */
  expressions(rows: Tensor2D): Tensor3D {
    if (this.projector !== undefined) return this.projector.project(rows);
    const vectors = normalise(this.embedding!.variable);
    return tf.tile(tf.expandDims(vectors, 0), [rows.shape[0], 1, 1]) as Tensor3D;
  }
}

function matrix(parameter: Parameter): Tensor2D {
  return parameter.variable as unknown as Tensor2D;
}
