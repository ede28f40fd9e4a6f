/** One pre-norm decoder layer: x + attention(norm x), then y + feed-forward(norm y), dense or mixture of experts. */
import { MoeLayer } from '@spectra/moe-layer';
import type { RouteContext, Routing } from '@spectra/routing';
import { checkpointed, type Module, type Parameter } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Attention, AttentionContext, KeyValue } from './attention.ts';
import type { Mlp } from './mlp.ts';
import type { RmsNorm } from './rms-norm.ts';
import { type FlatTree, flattenTree } from './tensor-tree.ts';

export interface DecoderLayerParts {
  readonly inputNorm: RmsNorm;
  readonly attention: Attention;
  readonly postAttentionNorm: RmsNorm;
  readonly feedForward: Mlp | MoeLayer;
}

export interface DecoderLayerOutput {
  /** [B,S,H] */
  readonly output: tf.Tensor3D;
  /** The decision of a mixture-of-experts layer. */
  readonly routing?: Routing;
}

export class DecoderLayer implements Module {
  readonly parts: DecoderLayerParts;

  constructor(parts: DecoderLayerParts) {
    this.parts = parts;
  }

  /** The mixture of experts, where this layer has one. */
  get moe(): MoeLayer | undefined {
    return this.parts.feedForward instanceof MoeLayer ? this.parts.feedForward : undefined;
  }

  /** x [B,S,H]; call it inside a `tidy`. `route` reaches the router, a dense layer ignores it. */
  forward(
    x: tf.Tensor3D,
    context: AttentionContext,
    route: RouteContext,
    past?: KeyValue,
  ): DecoderLayerOutput & KeyValue {
    const { inputNorm, attention, postAttentionNorm, feedForward } = this.parts;
    const shape = x.shape;
    const [batch, length, hidden] = shape;
    const flat = tf.reshape(x, [batch * length, hidden]) as tf.Tensor2D;
    const { output: attended, key, value } = attention.forward(inputNorm.forward(flat), batch, context, past);
    const middle = tf.add(flat, attended) as tf.Tensor2D;
    const normed = postAttentionNorm.forward(middle);
    if (!(feedForward instanceof MoeLayer)) {
      return { output: tf.reshape(tf.add(middle, feedForward.forward(normed)), shape), key, value };
    }
    const { output, routing } = feedForward.forward(tf.reshape(normed, shape), route);
    return { output: tf.add(tf.reshape(middle, shape), output), key, value, routing };
  }

  /** `forward` by gradient checkpointing: the backward pass keeps the inputs and computes the layer again. */
  forwardRecomputed(x: tf.Tensor3D, context: AttentionContext, route: RouteContext): DecoderLayerOutput {
    // everything it reads is an input, so that it outlives the forward pass
    const inputs = flattenTree({ x, context, route });
    let result: FlatTree<DecoderLayerOutput> | undefined;
    const run = (...tensors: tf.Tensor[]): tf.Tensor[] => {
      const given = inputs.rebuild(tensors);
      const { key: _key, value: _value, ...kept } = this.forward(given.x, given.context, given.route);
      result = flattenTree<DecoderLayerOutput>(kept);
      return [...result.tensors];
    };
    const outputs = checkpointed(this.parts.inputNorm.weight.name, run, inputs.tensors, this.parameters());
    return result!.rebuild(outputs);
  }

  parameters(): Parameter[] {
    const { inputNorm, attention, postAttentionNorm, feedForward } = this.parts;
    return [inputNorm, attention, postAttentionNorm, feedForward].flatMap(part => part.parameters());
  }
}
