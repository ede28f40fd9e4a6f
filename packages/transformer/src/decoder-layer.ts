/** One pre-norm decoder layer: x + attention(norm x), then y + feed-forward(norm y), dense or mixture of experts. */
import { MoeLayer } from '@spectra/moe-layer';
import type { RouteContext, Routing } from '@spectra/routing';
import { checkpointed, type Module, type Parameter, tidied } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionContext, KeyValue } from './attend.ts';
import type { AttentionLayer, AttentionOutput } from './attention.ts';
import type { Mlp } from './mlp.ts';
import type { Norm } from './norm.ts';
import { type FlatTree, flattenTree } from './tensor-tree.ts';

export interface DecoderLayerParts {
  readonly inputNorm: Norm;
  readonly attention: AttentionLayer;
  /** On what attention writes, before it joins the residual stream; most families have none. */
  readonly attentionOutputNorm?: Norm | undefined;
  readonly feedForwardNorm: Norm;
  readonly feedForward: Mlp | MoeLayer;
  /** On what the feed-forward network writes; most families have none. */
  readonly feedForwardOutputNorm?: Norm | undefined;
}

/** What the parts of one layer wrote, each [B,S,H] or its rows, before any norm of it and the residual; and what routers read. */
export interface LayerTrace<T extends tf.Tensor2D | tf.Tensor3D = tf.Tensor3D> {
  readonly attention: T;
  readonly feedForward: T;
  /** [N,H], what the decision of a mixture of experts was made from. */
  readonly routerInput?: tf.Tensor2D;
}

export interface DecoderLayerOutput {
  /** [B·S,H] */
  readonly output: tf.Tensor2D;
  /** The decision of a mixture-of-experts layer. */
  readonly routing?: Routing;
  /** Where it was asked for. */
  readonly trace?: LayerTrace<tf.Tensor2D>;
}

/** The residual stream after attention, and what attention wrote, where that is known by itself. */
type Attended = AttentionOutput & { readonly written?: tf.Tensor2D };

export class DecoderLayer implements Module {
  readonly parts: DecoderLayerParts;

  constructor(parts: DecoderLayerParts) {
    this.parts = parts;
  }

  /** The mixture of experts, where this layer has one. */
  get moe(): MoeLayer | undefined {
    return this.parts.feedForward instanceof MoeLayer ? this.parts.feedForward : undefined;
  }

  /** The dense network, where this layer has one. */
  get mlp(): Mlp | undefined {
    return this.parts.feedForward instanceof MoeLayer ? undefined : this.parts.feedForward;
  }

  /** x [B·S,H], B = `batch`; the caller owns what it returns. `route` reaches the router, a dense layer ignores it. */
  forward(
    x: tf.Tensor2D,
    batch: number,
    context: AttentionContext,
    route: RouteContext,
    past?: KeyValue,
    traced = false,
  ): DecoderLayerOutput & KeyValue {
    return tidied(() => {
      const { inputNorm, attention, attentionOutputNorm, feedForwardNorm, feedForwardOutputNorm } =
        this.parts;
      const composed = (): Attended => {
        const normed = inputNorm.forward(x);
        const { output: written, ...keyValue } = attention.forward(normed, batch, context, past);
        const output = tf.add(x, attentionOutputNorm?.forward(written) ?? written) as tf.Tensor2D;
        return { ...keyValue, output, written };
      };
      const plain = !traced && attentionOutputNorm === undefined;
      const step: Attended | undefined = plain
        ? attention.step?.(x, inputNorm, batch, context, past)
        : undefined;
      const { output: middle, key, value, written: fromAttention } = step ?? composed();
      const routerInput = feedForwardNorm.forward(middle);
      const { written, routing } = this.feedForward(routerInput, batch, route);
      const trace = () => ({
        attention: fromAttention!,
        feedForward: written,
        ...(routing === undefined ? {} : { routerInput }),
      });
      return {
        output: tf.add(middle, feedForwardOutputNorm?.forward(written) ?? written) as tf.Tensor2D,
        key,
        value,
        ...(routing === undefined ? {} : { routing }),
        ...(traced ? { trace: trace() } : {}),
      };
    });
  }

  /** `forward` by gradient checkpointing: the backward pass keeps the inputs and computes the layer again. */
  forwardRecomputed(
    x: tf.Tensor2D,
    batch: number,
    context: AttentionContext,
    route: RouteContext,
  ): DecoderLayerOutput {
    // everything it reads is an input, so that it outlives the forward pass
    const inputs = flattenTree({ x, context, route });
    let result: FlatTree<DecoderLayerOutput> | undefined;
    const run = (...tensors: tf.Tensor[]): tf.Tensor[] => {
      const given = inputs.rebuild(tensors);
      const { key: _key, value: _value, ...kept } = this.forward(given.x, batch, given.context, given.route);
      result = flattenTree<DecoderLayerOutput>(kept);
      return [...result.tensors];
    };
    const outputs = checkpointed(this.parts.inputNorm.weight.name, run, inputs.tensors, this.parameters());
    return result!.rebuild(outputs);
  }

  parameters(): Parameter[] {
    const { inputNorm, attention, attentionOutputNorm, feedForwardNorm, feedForward, feedForwardOutputNorm } =
      this.parts;
    return [
      inputNorm,
      attention,
      attentionOutputNorm,
      feedForwardNorm,
      feedForward,
      feedForwardOutputNorm,
    ].flatMap(part => part?.parameters() ?? []);
  }

  private feedForward(
    x: tf.Tensor2D,
    batch: number,
    route: RouteContext,
  ): { written: tf.Tensor2D; routing?: Routing } {
    const { feedForward } = this.parts;
    if (!(feedForward instanceof MoeLayer)) return { written: feedForward.forward(x) };
    const { output: written, routing } = feedForward.forwardRows(x, batch, route);
    return { written, routing };
  }
}

/** The trace of rows by the sequences that they make up. */
export function wholeTrace(
  { attention, feedForward, routerInput }: LayerTrace<tf.Tensor2D>,
  whole: (rows: tf.Tensor2D) => tf.Tensor3D,
): LayerTrace {
  return {
    attention: whole(attention),
    feedForward: whole(feedForward),
    ...(routerInput === undefined ? {} : { routerInput }),
  };
}
