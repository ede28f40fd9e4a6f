/** One pre-norm decoder layer: x + attention(norm x), then y + feed-forward(norm y), dense or mixture of experts. */
import { MoeLayer } from '@spectra/moe-layer';
import type { RouteContext, Routing } from '@spectra/routing';
import type { Module, Parameter } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import type { Attention, AttentionContext, KeyValue } from './attention.ts';
import type { Mlp } from './mlp.ts';
import type { RmsNorm } from './rms-norm.ts';

export interface DecoderLayerParts {
  readonly inputNorm: RmsNorm;
  readonly attention: Attention;
  readonly postAttentionNorm: RmsNorm;
  readonly feedForward: Mlp | MoeLayer;
}

export interface DecoderLayerOutput extends KeyValue {
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
  ): DecoderLayerOutput {
    const { inputNorm, attention, postAttentionNorm, feedForward } = this.parts;
    const shape = x.shape;
    const [batch, length, hidden] = shape;
    const flat = x.reshape([batch * length, hidden]) as tf.Tensor2D;
    const { output: attended, key, value } = attention.forward(inputNorm.forward(flat), batch, context, past);
    const middle = flat.add(attended) as tf.Tensor2D;
    const normed = postAttentionNorm.forward(middle);
    if (!(feedForward instanceof MoeLayer)) {
      return { output: middle.add(feedForward.forward(normed)).reshape(shape), key, value };
    }
    const { output, routing } = feedForward.forward(normed.reshape(shape), route);
    return { output: middle.reshape(shape).add(output) as tf.Tensor3D, key, value, routing };
  }

  parameters(): Parameter[] {
    const { inputNorm, attention, postAttentionNorm, feedForward } = this.parts;
    return [inputNorm, attention, postAttentionNorm, feedForward].flatMap(part => part.parameters());
  }
}
