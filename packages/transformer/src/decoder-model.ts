/** The decoder: embedding, layers, norm and head, with packed documents, padding, caches and routers' decisions. */
import type { Router, Routing } from '@spectra/routing';
import { gatherRows, type Module, type Parameter, tidied } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Architecture } from './architecture.ts';
import type { KeyValue } from './attend.ts';
import { buildDecoder, type DecoderParts } from './build-decoder.ts';
import { advanceCache, emptyCache, type ModelCache } from './cache.ts';
import { type ModelConfigInput, parseModelConfig } from './config.ts';
import { type DecoderLayer, type DecoderLayerOutput, wholeTrace } from './decoder-layer.ts';
import {
  attentionContext,
  checkForwardInput,
  type ForwardInput,
  type ForwardOutput,
  farthestPosition,
  type LayerPass,
  packingOf,
  routeContext,
  tokenPositions,
} from './forward-input.ts';
import { Initializer } from './initializer.ts';
import type { TensorLayout } from './layout/tensor-layout.ts';
import { describeConfig, type ModelDescription } from './model-description.ts';
import type { Packing } from './packing.ts';
import { RotaryTable, type Rotation } from './rotary.ts';

export interface DecoderOptions {
  /** Every weight follows from it and from its own name; 0 by default. */
  readonly seed?: number;
  /** Leaves weights at 0 (norms at 1), for a model about to be loaded. */
  readonly uninitialised?: boolean;
}

export class DecoderModel implements Module {
  /** The family, its `config.json` and what that says. */
  readonly description: ModelDescription;
  readonly layers: readonly DecoderLayer[];
  /** How the file that the weights came from lays them out; a save writes the same. */
  layout: TensorLayout | undefined;
  private readonly parts: DecoderParts;
  private readonly rotaries: Readonly<Record<string, RotaryTable>>;

  /**
   * From our own configuration, which is validated (`CONFIG_INVALID`), or from what `describeModel` made of any
   * family's. Draws the weights; `setBackend` must have been awaited.
   */
  constructor(config: ModelConfigInput | ModelDescription, options: DecoderOptions = {}) {
    this.description = 'architecture' in config ? config : describeConfig(parseModelConfig(config));
    const init = new Initializer(options.seed ?? 0, options.uninitialised);
    this.parts = buildDecoder(this.architecture, init);
    this.layers = this.parts.layers;
    const rotaries = Object.entries(this.architecture.rotaries);
    this.rotaries = Object.fromEntries(rotaries.map(([name, shape]) => [name, new RotaryTable(shape)]));
  }

  get architecture(): Architecture {
    return this.description.architecture;
  }

  /**
   * The position from which on frequencies are others for a whole text (LongRoPE); none for most models. A text that
   * reaches it must be run from its start again: what the cache holds was made with others.
   */
  get switchesAt(): number | undefined {
    const found = Object.values(this.rotaries).flatMap(table => table.switchesAt ?? []);
    return found.length === 0 ? undefined : Math.min(...found);
  }

  /** Positions where they are learned; none for rotary ones. */
  get learnedPositions(): number | undefined {
    return this.parts.positions?.shape[0];
  }

  /** The routers of the mixture-of-experts layers, from below: `routers[i]` made `routings[i]`. */
  get routers(): Router[] {
    return this.layers.flatMap(layer => (layer.moe === undefined ? [] : [layer.moe.router]));
  }

  /** Synchronous and differentiable; changes no state. Shapes and ownership: `ForwardInput`, `ForwardOutput`. */
  forward(input: ForwardInput): ForwardOutput {
    const { hidden: width, recompute, moe } = this.architecture;
    const [batch, length] = checkForwardInput(input, width, this.learnedPositions, this.switchesAt);
    const past = input.cache ?? emptyCache();
    const traced = input.layerOutputs ?? false;
    return tidied(() => {
      const packing = packingOf(input, past);
      const farthest = farthestPosition(input.positions ?? packing?.positions, past, this.switchesAt);
      const attention = attentionContext(this.rotations(input, past, packing, farthest), packing, past);
      const standing = moe === undefined ? undefined : tokenPositions(input, packing, past);
      // sequences lie one below the other in rows until the end
      const whole = (rows: tf.Tensor2D): tf.Tensor3D => tf.reshape(rows, [batch, length, width]);
      const embeddings = this.embed(input, past, packing);
      let hidden = embeddings;
      let below: tf.Tensor3D | undefined;
      const outputs: DecoderLayerOutput[] = [];
      const keyValues: KeyValue[] = [];
      for (const [i, layer] of this.layers.entries()) {
        const route = routeContext(input, packing, standing, below, past.layers[i]?.router);
        if (recompute && input.cache === undefined && !traced) {
          outputs.push(layer.forwardRecomputed(hidden, batch, attention, route));
        } else {
          const held = past.layers[i];
          const { key, value, ...out } = layer.forward(hidden, batch, attention, route, held, traced);
          outputs.push(out);
          if (input.cache === undefined) tf.dispose([key, value]);
          else keyValues.push({ key, value });
        }
        const { output, routing } = outputs[i]!;
        hidden = output;
        below = routing?.carry ?? below;
      }
      const routings = outputs.flatMap(({ routing }) => {
        if (routing === undefined) return [];
        const { cache: _, ...decision } = routing; // the model's cache has it
        return [decision];
      });
      const rows = this.parts.norm.forward(hidden);
      const normed = whole(rows);
      return {
        hidden: normed,
        logits: this.logitsOf(rows, normed, input.logits ?? 'all'),
        routings,
        routerLoss: sumOfLosses(routings),
        layerOutputs: traced ? outputs.map(({ output }) => whole(output)) : [],
        routerInputs: outputs.flatMap(({ trace }) => trace?.routerInput ?? []),
        traces: outputs.flatMap(({ trace }) => (trace === undefined ? [] : wholeTrace(trace, whole))),
        ...(traced ? { embeddings: whole(embeddings) } : {}),
        ...(input.cache === undefined
          ? {}
          : { cache: advanceCache(past, { keyValues, outputs, packing, length, farthest }) }),
      };
    });
  }

  /** What enters the first layer, [B,S,H], of rows that each begin a text; the caller owns it. */
  embedTokens(inputIds: tf.Tensor2D): tf.Tensor3D {
    const { hidden } = this.architecture;
    checkForwardInput({ inputIds }, hidden, this.learnedPositions, this.switchesAt);
    return tidied(() => tf.reshape(this.embed({ inputIds }, emptyCache()), [...inputIds.shape, hidden]));
  }

  /**
   * One layer alone, with the causal rule, of rows that each begin a text: `hidden` [B,S,H] is what the layer below wrote,
   * `below` the carry of the router below. The caller owns all that it returns.
   */
  forwardLayer(
    index: number,
    { hidden, inputIds, below }: { hidden: tf.Tensor3D; inputIds: tf.Tensor2D; below?: tf.Tensor3D },
  ): LayerPass {
    return tidied(() => {
      const past = emptyCache();
      const input = { inputIds };
      const [batch, length, width] = hidden.shape;
      const attention = attentionContext(this.rotations(input, past), undefined, past);
      const standing = tokenPositions(input, undefined, past);
      const route = routeContext(input, undefined, standing, below, undefined);
      const rows = tf.reshape(hidden, [batch * length, width]) as tf.Tensor2D;
      const layer = this.layers[index]!;
      const { output, routing, trace } = layer.forward(rows, batch, attention, route, undefined, true);
      return {
        output: tf.reshape(output, hidden.shape),
        ...(routing === undefined ? {} : { routing, routerInput: trace!.routerInput! }),
      };
    });
  }

  /** [B,S,H] after the final norm → logits [B,S,V]; the caller owns them. */
  head(hidden: tf.Tensor3D): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    return tidied(() => this.headRows(tf.reshape(hidden, [batch * length, width]), batch));
  }

  /** Every parameter once, under its checkpoint name. */
  parameters(): Parameter[] {
    const { embedding, positions, layers, norm, head } = this.parts;
    const single = (parameter: Parameter | undefined): Parameter[] =>
      parameter === undefined ? [] : [parameter];
    const inner = [...layers, norm].flatMap(part => part.parameters());
    // once: a global router's belong to several layers
    return [...new Set([embedding, ...single(positions), ...inner, ...single(head)])];
  }

  /** Releases every weight and table. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
    for (const table of Object.values(this.rotaries)) table.dispose();
  }

  private rotations(
    { inputIds, positions }: ForwardInput,
    past: ModelCache,
    packing?: Packing,
    farthest?: tf.Scalar,
  ): Record<string, Rotation> {
    const length = inputIds.shape[1];
    const end = past.length + length;
    const rotation = (table: RotaryTable): Rotation => {
      if (positions !== undefined) return table.at(positions, this.architecture.maxPositions, farthest);
      if (packing !== undefined) return table.at(packing.positions, end, farthest);
      return table.range(past.length, length);
    };
    const named = Object.entries(this.rotaries).map(([name, table]) => [name, rotation(table)] as const);
    return Object.fromEntries(named);
  }

  /** [B·S,H] */
  private embed(
    { inputIds, positions, embeddingNoise }: ForwardInput,
    past: ModelCache,
    packing?: Packing,
  ): tf.Tensor2D {
    const [batch, length] = inputIds.shape;
    const { embeddingScale, hidden } = this.architecture;
    const rows = (table: Parameter, ids: tf.Tensor): tf.Tensor2D =>
      gatherRows(table.variable as unknown as tf.Tensor2D, tf.reshape(ids, [-1]) as tf.Tensor1D);
    let tokens = rows(this.parts.embedding, inputIds);
    if (embeddingScale !== 1) tokens = tf.mul(tokens, embeddingScale);
    if (embeddingNoise !== undefined) tokens = tf.add(tokens, tf.reshape(embeddingNoise, tokens.shape));
    if (this.parts.positions === undefined) return tokens;
    const counted = tf.expandDims(tf.range(past.length, past.length + length, 1, 'int32'), 0);
    const standing = positions ?? packing?.positions ?? counted;
    const learned = rows(this.parts.positions, standing);
    // counted ones are the same for all sequences
    const [all, some] = [tokens, learned].map(t => tf.reshape(t, [-1, length, hidden]));
    return tf.reshape(tf.add(all!, some!), [batch * length, hidden]);
  }

  /** `rows` are those of `hidden`. */
  private logitsOf(rows: tf.Tensor2D, hidden: tf.Tensor3D, which: 'all' | 'last' | 'none'): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    if (which === 'none') return tf.zeros([batch, 0, this.architecture.vocabulary]);
    if (which === 'all' || length === 1) return this.headRows(rows, batch);
    return this.head(tf.slice(hidden, [0, length - 1, 0], [batch, 1, width]));
  }

  private headRows(rows: tf.Tensor2D, batch: number): tf.Tensor3D {
    const weight = (this.parts.head ?? this.parts.embedding).variable as unknown as tf.Tensor2D;
    const logits = tf.matMul(rows, weight, false, true);
    return tf.reshape(logits, [batch, rows.shape[0] / batch, this.architecture.vocabulary]);
  }
}

/** Routers that are not training have the loss 0. */
function sumOfLosses(routings: readonly Routing[]): tf.Scalar {
  const made = routings.filter(({ losses }) => Object.keys(losses).length > 0);
  return made.reduce<tf.Scalar>((sum, { loss }) => tf.add(sum, loss), tf.scalar(0));
}
