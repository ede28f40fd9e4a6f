/** Grouped-query causal self-attention (Ainslie et al. 2023) within documents, with an optional key–value cache. */
import { attentionStep, type Module, type Parameter, rotary, taping } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { GroupedAttentionShape, NormShape } from './architecture.ts';
import { type AttentionContext, attend, type KeyValue } from './attend.ts';
import type { Initializer } from './initializer.ts';
import { Linear } from './linear.ts';
import { makeNorm, type Norm, RmsNorm } from './norm.ts';

export type AttentionOutput = KeyValue & { readonly output: tf.Tensor2D };

/** Any kind of attention. */
export interface AttentionLayer extends Module {
  /**
   * x [B·S,H] → output [B·S,H], and the keys and values of past and present. The caller owns them (without a past
   * the keys and values are those of x). Cost grows with S·(P+S).
   */
  forward(x: tf.Tensor2D, batch: number, context: AttentionContext, past?: KeyValue): AttentionOutput;
  /**
   * x + attention(norm x) as one operation, where no gradient is wanted and the layer is as plain as that operation;
   * else undefined. Ownership as for `forward`.
   */
  step?(
    x: tf.Tensor2D,
    norm: Norm,
    batch: number,
    context: AttentionContext,
    past?: KeyValue,
  ): AttentionOutput | undefined;
}

export class Attention implements AttentionLayer {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  /** Before q and k are turned: of width `headDim`, or over all heads. */
  readonly queryNorm: Norm | undefined;
  readonly keyNorm: Norm | undefined;
  /** [heads] */
  readonly sinks: Parameter | undefined;
  private readonly shape: GroupedAttentionShape;

  /** `prefix` such as `model.layers.0.self_attn.`; `std` of the projections, see `Initializer.linear`. */
  constructor(
    init: Initializer,
    prefix: string,
    hidden: number,
    shape: GroupedAttentionShape,
    norm: NormShape,
    std?: number,
  ) {
    const { heads, keyValueHeads, headDim, inputBias, outputBias, queryKeyNorm } = shape;
    const inner = heads * headDim;
    const shared = keyValueHeads * headDim;
    const input = (name: string, outputs: number): Linear =>
      new Linear(init, { name: prefix + name, inputs: hidden, outputs, bias: inputBias, std });
    this.query = input('q_proj', inner);
    this.key = input('k_proj', shared);
    this.value = input('v_proj', shared);
    this.output = new Linear(init, {
      name: `${prefix}o_proj`,
      inputs: inner,
      outputs: hidden,
      bias: outputBias,
      std,
    });
    if (queryKeyNorm !== undefined) {
      const full = queryKeyNorm === 'full';
      this.queryNorm = makeNorm(init, `${prefix}q_norm`, full ? inner : headDim, norm);
      this.keyNorm = makeNorm(init, `${prefix}k_norm`, full ? shared : headDim, norm);
    }
    this.sinks = shape.sinks ? init.constant(`${prefix}sinks`, [heads], 0) : undefined;
    this.shape = shape;
  }

  forward(x: tf.Tensor2D, batch: number, context: AttentionContext, past?: KeyValue): AttentionOutput {
    const { heads, keyValueHeads, headDim, clip } = this.shape;
    const length = x.shape[0] / batch;
    const split = (projection: Linear, count: number, norm?: Norm): tf.Tensor4D => {
      const y = normed(projection.forward(x), norm);
      const clamped = clip === undefined ? y : tf.clipByValue(y, -clip, clip);
      return tf.reshape(clamped, [batch, length, count, headDim]);
    };
    const { mixed, key, value } = attend(
      {
        query: split(this.query, heads, this.queryNorm),
        key: split(this.key, keyValueHeads, this.keyNorm),
        value: split(this.value, keyValueHeads),
        turn: (y, { cos, sin }) => rotary(y, cos, sin),
        sinks: this.sinks?.variable as unknown as tf.Tensor1D | undefined,
      },
      this.shape,
      context,
      past,
    );
    const flat = tf.reshape(mixed, [batch * length, heads * headDim]) as tf.Tensor2D;
    return { output: this.output.forward(flat), key, value };
  }

  step(
    x: tf.Tensor2D,
    norm: Norm,
    batch: number,
    { rotations, queryDocuments }: AttentionContext,
    past?: KeyValue,
  ): AttentionOutput | undefined {
    const { query, key, value, output, queryNorm, sinks } = this;
    const { headDim, clip, scale, window = 0, rotary } = this.shape;
    const biased = query.bias ?? output.bias;
    if (taping() || !(norm instanceof RmsNorm) || norm.offset !== 0 || queryDocuments !== undefined)
      return undefined;
    if ((biased ?? queryNorm ?? sinks ?? clip) !== undefined) return undefined;
    const { cos, sin } = (rotary === undefined ? undefined : rotations[rotary]) ?? {};
    const weight = ({ weight }: { readonly weight: Parameter }): tf.Tensor => weight.variable as tf.Tensor;
    return attentionStep(
      {
        x,
        norm: weight(norm),
        query: weight(query),
        key: weight(key),
        value: weight(value),
        output: weight(output),
        cos,
        sin,
        pastKey: past?.key,
        pastValue: past?.value,
      },
      { batch, headDim, epsilon: norm.epsilon, scale, window },
    );
  }

  parameters(): Parameter[] {
    const { query, key, value, output, queryNorm, keyNorm, sinks } = this;
    const modules = [query, key, value, output, queryNorm, keyNorm].filter(part => part !== undefined);
    return [...modules.flatMap(part => part.parameters()), ...(sinks === undefined ? [] : [sinks])];
  }
}

/** The norm over its own width, whether that is the whole row or a head. */
function normed(y: tf.Tensor2D, norm: Norm | undefined): tf.Tensor2D {
  if (norm === undefined) return y;
  const rows = tf.reshape(y, [-1, norm.weight.shape[0]!]) as tf.Tensor2D;
  return tf.reshape(norm.forward(rows), y.shape);
}
