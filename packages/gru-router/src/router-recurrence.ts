/** Where a router's context comes from: a recurrence over positions, layers or both, or none. Shared or one a layer. */
import type { RouteContext } from '@spectra/routing';
import { type Module, Parameter, type Rng } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type GruWeights, gruDepth, gruGrid, gruSequence } from './gru.ts';
import type { Recurrence } from './options.ts';

/** The deviation of a new depth embedding. */
const DEPTH_DEVIATION = 0.02;

export interface RouterRecurrenceShape {
  /** Width of the hidden states. */
  readonly hidden: number;
  /** G */
  readonly stateSize: number;
  readonly recurrence: Recurrence;
  /** L: a learned embedding per layer is added to the input. */
  readonly depthEmbedding?: number;
}

/** The context of one layer's tokens. All tensors belong to the caller (inside a `tidy`, to the tidy). */
export interface RouterContext {
  /** [B,S,G], 0 at padding where there is a recurrence. */
  readonly output: Tensor3D;
  /** [B,S,G] for the layer above. */
  readonly carry?: Tensor3D;
  /** [B,G] after the last position. */
  readonly cache?: Tensor2D;
}

/**
 * Parameters named as in PyTorch, after a prefix: `gru.weight_ih`, `gru.weight_hh`, `gru.bias_ih`, `gru.bias_hh` (or
 * `context.weight`, `context.bias` without a recurrence), uniform in ±1/√G, and `depth_embedding`, normal. Each is drawn
 * from a stream of `rng` by its name.
 */
export class RouterRecurrence implements Module {
  readonly shape: RouterRecurrenceShape;
  /** The learned embedding [L,hidden] of depth. */
  readonly depth: Parameter | undefined;
  private readonly gru: Readonly<Record<keyof GruWeights, Parameter>> | undefined;
  private readonly context: { readonly weight: Parameter; readonly bias: Parameter } | undefined;

  constructor(shape: RouterRecurrenceShape, rng: Rng, prefix = '') {
    this.shape = shape;
    const { hidden: H, stateSize: G, recurrence, depthEmbedding } = shape;
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
    if (depthEmbedding !== undefined) {
      const initial = rng.split('depth').normalTensor([depthEmbedding, H], 0, DEPTH_DEVIATION);
      this.depth = new Parameter(`${prefix}depth_embedding`, initial, { role: 'router', decay: false });
    }
  }

  parameters(): Parameter[] {
    return [
      ...Object.values(this.gru ?? this.context ?? {}),
      ...(this.depth === undefined ? [] : [this.depth]),
    ];
  }

  /** The context of x [B,S,hidden], and what the layer above and the next call need; `layer` picks the depth's row. */
  run(x: Tensor3D, { mask, documentStart, below, cache }: RouteContext, layer = 0): RouterContext {
    const { recurrence } = this.shape;
    const input = this.atDepth(x, layer);
    if (recurrence === 'none') return { output: this.pointwise(input) };
    const weights = this.gruWeights();
    if (recurrence === 'depth') {
      const output = gruDepth(input, weights, { below, mask });
      return { output, carry: output };
    }
    const options = { initial: cache, mask, documentStart };
    const { output, state } =
      recurrence === 'grid'
        ? gruGrid(input, weights, { ...options, below })
        : gruSequence(input, weights, options);
    return { output, cache: state, ...(recurrence === 'grid' ? { carry: output } : {}) };
  }

  /** The GRU's weights where its input is x, or x beside the state one layer below; else undefined. */
  overPositions(): GruWeights | undefined {
    const { recurrence } = this.shape;
    const plain = recurrence === 'grid' || recurrence === 'sequence';
    return plain && this.depth === undefined ? this.gruWeights() : undefined;
  }

  private gruWeights(): GruWeights {
    const { weightIh, weightHh, biasIh, biasHh } = this.gru!;
    return {
      weightIh: weightIh.variable as unknown as Tensor2D,
      weightHh: weightHh.variable as unknown as Tensor2D,
      biasIh: biasIh.variable as unknown as Tensor1D,
      biasHh: biasHh.variable as unknown as Tensor1D,
    };
  }

  /** tanh(W x + b), without a recurrence. */
  private pointwise(x: Tensor3D): Tensor3D {
    const { weight, bias } = this.context!;
    const [batch, length, hidden] = x.shape;
    const product = tf.matMul(
      tf.reshape(x, [batch * length, hidden]) as Tensor2D,
      weight.variable as unknown as Tensor2D,
      false,
      true,
    );
    return tf.reshape(tf.tanh(tf.add(product, bias.variable)), [batch, length, this.shape.stateSize]);
  }

  private atDepth(x: Tensor3D, layer: number): Tensor3D {
    if (this.depth === undefined) return x;
    return tf.add(x, tf.slice(this.depth.variable as Tensor, [layer, 0], [1, -1]));
  }
}
