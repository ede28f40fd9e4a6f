/**
 * Multi-head latent attention (DeepSeek-V2, 2024): a narrow vector per token, normalised, gives every head its key and
 * value; one more key, turned by position, is shared by all heads.
 */
import { type Parameter, rotary } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { LatentAttentionShape } from './architecture.ts';
import { type AttentionContext, attend, type KeyValue } from './attend.ts';
import type { AttentionLayer, AttentionOutput } from './attention.ts';
import type { Initializer } from './initializer.ts';
import { Linear } from './linear.ts';
import { RmsNorm } from './norm.ts';
import type { Rotation } from './rotary.ts';

export class LatentAttention implements AttentionLayer {
  /** Token to queries, in one step or through a narrow vector and its norm. */
  readonly query: Linear | { readonly down: Linear; readonly norm: RmsNorm; readonly up: Linear };
  /** Token to the narrow vector and, after it, the shared key. */
  readonly keyValueDown: Linear;
  readonly keyValueNorm: RmsNorm;
  /** Per head the key, then the value. */
  readonly keyValueUp: Linear;
  readonly output: Linear;
  private readonly shape: LatentAttentionShape;

  /** `prefix` such as `model.layers.0.self_attn.`; `std` of the projections, see `Initializer.linear`. */
  constructor(init: Initializer, prefix: string, hidden: number, shape: LatentAttentionShape, std?: number) {
    const { heads, queryRank, keyValueRank, plainDim, turnedDim, valueDim, bias, epsilon } = shape;
    const linear = (name: string, inputs: number, outputs: number, biased = false): Linear =>
      new Linear(init, { name: prefix + name, inputs, outputs, bias: biased, std });
    const queries = heads * (plainDim + turnedDim);
    this.query =
      queryRank === undefined
        ? linear('q_proj', hidden, queries)
        : {
            down: linear('q_a_proj', hidden, queryRank, bias),
            norm: new RmsNorm(init, `${prefix}q_a_layernorm`, queryRank, epsilon),
            up: linear('q_b_proj', queryRank, queries),
          };
    this.keyValueDown = linear('kv_a_proj_with_mqa', hidden, keyValueRank + turnedDim, bias);
    this.keyValueNorm = new RmsNorm(init, `${prefix}kv_a_layernorm`, keyValueRank, epsilon);
    this.keyValueUp = linear('kv_b_proj', keyValueRank, heads * (plainDim + valueDim));
    this.output = linear('o_proj', heads * valueDim, hidden, bias);
    this.shape = shape;
  }

  forward(x: tf.Tensor2D, batch: number, context: AttentionContext, past?: KeyValue): AttentionOutput {
    const { heads, keyValueRank, plainDim, turnedDim, valueDim } = this.shape;
    const length = x.shape[0] / batch;
    const narrow = this.keyValueDown.forward(x);
    const [latent, sharedKey] = tf.split(narrow, [keyValueRank, turnedDim], 1) as [tf.Tensor2D, tf.Tensor2D];
    const perHead = tf.reshape(this.keyValueUp.forward(this.keyValueNorm.forward(latent)), [
      batch,
      length,
      heads,
      plainDim + valueDim,
    ]);
    const [plainKey, newValue] = tf.split(perHead, [plainDim, valueDim], 3) as [tf.Tensor4D, tf.Tensor4D];
    const everywhere = tf.tile(tf.reshape(sharedKey, [batch, length, 1, turnedDim]), [1, 1, heads, 1]);
    const { mixed, key, value } = attend(
      {
        query: tf.reshape(this.queries(x), [batch, length, heads, plainDim + turnedDim]),
        key: tf.concat([plainKey, everywhere], 3) as tf.Tensor4D,
        value: newValue,
        turn: (y, rotation) => this.turn(y, rotation),
      },
      this.shape,
      context,
      past,
    );
    const flat = tf.reshape(mixed, [batch * length, heads * valueDim]) as tf.Tensor2D;
    return { output: this.output.forward(flat), key, value };
  }

  parameters(): Parameter[] {
    const query = this.query instanceof Linear ? [this.query] : Object.values(this.query);
    const rest = [this.keyValueDown, this.keyValueNorm, this.keyValueUp, this.output];
    return [...query, ...rest].flatMap(part => part.parameters());
  }

  private queries(x: tf.Tensor2D): tf.Tensor2D {
    if (this.query instanceof Linear) return this.query.forward(x);
    const { down, norm, up } = this.query;
    return up.forward(norm.forward(down.forward(x)));
  }

  /** Turns the last channels. Neighbours are first brought to halves: q·k does not mind channels in another order. */
  private turn(y: tf.Tensor4D, { cos, sin }: Rotation): tf.Tensor4D {
    const { plainDim, turnedDim, interleaved } = this.shape;
    const [batch, length, heads] = y.shape;
    const [plain, last] = tf.split(y, [plainDim, turnedDim], 3) as [tf.Tensor4D, tf.Tensor4D];
    const pairs = tf.reshape(last, [batch, length, heads, turnedDim / 2, 2]);
    const halves = interleaved
      ? tf.reshape(tf.transpose(pairs, [0, 1, 2, 4, 3]), [batch, length, heads, turnedDim])
      : last;
    return tf.concat([plain, rotary(halves as tf.Tensor4D, cos, sin)], 3) as tf.Tensor4D;
  }
}
