/** The decoder: embedding, layers, norm and head, with packed documents, padding, caches and routers' decisions. */
import type { Router } from '@spectra/routing';
import { gatherRows, type Module, type Parameter } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { KeyValue } from './attention.ts';
import { buildDecoder, type DecoderParts } from './build-decoder.ts';
import { advanceCache, emptyCache, type ModelCache } from './cache.ts';
import type { ModelConfig, ModelConfigInput } from './config.ts';
import { attentionShape, parseModelConfig } from './config.ts';
import type { DecoderLayer, DecoderLayerOutput } from './decoder-layer.ts';
import {
  attentionContext,
  checkForwardInput,
  type ForwardInput,
  type ForwardOutput,
  packingOf,
  routeContext,
} from './forward-input.ts';
import { Initializer } from './initializer.ts';
import type { Packing } from './packing.ts';
import { RotaryTable, type Rotation } from './rotary.ts';
import { tidied } from './tidied.ts';

export interface DecoderOptions {
  /** Every weight follows from it and from its own name; 0 by default. */
  readonly seed?: number;
  /** Leaves attention, MLPs and embeddings at 0 (norms at 1), for a model about to be loaded. */
  readonly uninitialised?: boolean;
}

export class DecoderModel implements Module {
  readonly config: ModelConfig;
  readonly layers: readonly DecoderLayer[];
  private readonly parts: DecoderParts;
  private readonly rotary: RotaryTable | undefined;

  /** Validates the configuration (`CONFIG_INVALID`) and draws the weights; `setBackend` must have been awaited. */
  constructor(config: ModelConfigInput, options: DecoderOptions = {}) {
    this.config = parseModelConfig(config);
    this.parts = buildDecoder(this.config, new Initializer(options.seed ?? 0, options.uninitialised));
    this.layers = this.parts.layers;
    if (this.config.positions === 'rotary') {
      const { rope_theta: theta, rope_scaling: scaling } = this.config;
      this.rotary = new RotaryTable(attentionShape(this.config).headDim, theta, scaling);
    }
  }

  /** The routers of the mixture-of-experts layers, from below: `routers[i]` made `routings[i]`. */
  get routers(): Router[] {
    return this.layers.flatMap(layer => (layer.moe === undefined ? [] : [layer.moe.router]));
  }

  /** Synchronous and differentiable; changes no state. Shapes and ownership: `ForwardInput`, `ForwardOutput`. */
  forward(input: ForwardInput): ForwardOutput {
    const [batch, length] = checkForwardInput(input, this.parts.positions?.shape[0]);
    const past = input.cache ?? emptyCache();
    return tidied(() => {
      const packing = packingOf(input, past);
      const attention = attentionContext(this.rotation(input, past, packing), packing, past);
      let hidden = this.embed(input, past, packing);
      let below: tf.Tensor3D | undefined;
      const outputs: DecoderLayerOutput[] = [];
      const keyValues: KeyValue[] = [];
      for (const [i, layer] of this.layers.entries()) {
        const route = routeContext(input, packing, below, past.layers[i]?.router);
        if (this.config.recompute && input.cache === undefined) {
          outputs.push(layer.forwardRecomputed(hidden, attention, route));
        } else {
          const { key, value, ...out } = layer.forward(hidden, attention, route, past.layers[i]);
          outputs.push(out);
          keyValues.push({ key, value });
        }
        const { output, routing } = outputs[i]!;
        hidden = output;
        below = routing?.carry ?? below;
      }
      const routings = outputs.flatMap(({ routing }) => (routing === undefined ? [] : [routing]));
      const flat = tf.reshape(hidden, [batch * length, this.config.hidden_size]) as tf.Tensor2D;
      const normed = tf.reshape(this.parts.norm.forward(flat), hidden.shape) as tf.Tensor3D;
      return {
        hidden: normed,
        logits: this.logitsOf(normed, input.logits ?? 'all'),
        routings,
        routerLoss: routings.reduce((sum, { loss }) => tf.add(sum, loss), tf.scalar(0)),
        layerOutputs: input.layerOutputs ? outputs.map(({ output }) => output) : [],
        ...(input.cache === undefined
          ? {}
          : { cache: advanceCache(past, { keyValues, outputs, packing, length }) }),
      };
    });
  }

  /** [B,S,H] after the final norm → logits [B,S,V]; the caller owns them. */
  head(hidden: tf.Tensor3D): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    return tidied(() => {
      const flat = tf.reshape(hidden, [batch * length, width]) as tf.Tensor2D;
      const weight = (this.parts.head ?? this.parts.embedding).variable as unknown as tf.Tensor2D;
      const logits = tf.matMul(flat, weight, false, true);
      return tf.reshape(logits, [batch, length, this.config.vocab_size]) as tf.Tensor3D;
    });
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
    this.rotary?.dispose();
  }

  private rotation(
    { inputIds, positions }: ForwardInput,
    past: ModelCache,
    packing?: Packing,
  ): Rotation | undefined {
    const length = inputIds.shape[1];
    if (positions !== undefined) return this.rotary?.at(positions, this.config.max_position_embeddings);
    if (packing !== undefined) return this.rotary?.at(packing.positions, past.length + length);
    return this.rotary?.range(past.length, length);
  }

  private embed({ inputIds, positions }: ForwardInput, past: ModelCache, packing?: Packing): tf.Tensor3D {
    const [, length] = inputIds.shape;
    const rows = (table: Parameter, ids: tf.Tensor): tf.Tensor3D => {
      const rowIds = tf.reshape(ids, [-1]) as tf.Tensor1D;
      const found = gatherRows(table.variable as unknown as tf.Tensor2D, rowIds);
      return tf.reshape(found, [ids.shape[0]!, length, this.config.hidden_size]);
    };
    const tokens = rows(this.parts.embedding, inputIds);
    if (this.parts.positions === undefined) return tokens;
    const counted = tf.expandDims(tf.range(past.length, past.length + length, 1, 'int32'), 0);
    return tf.add(
      tokens,
      rows(this.parts.positions, positions ?? packing?.positions ?? counted),
    ) as tf.Tensor3D;
  }

  private logitsOf(hidden: tf.Tensor3D, which: 'all' | 'last' | 'none'): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    if (which === 'none') return tf.zeros([batch, 0, this.config.vocab_size]);
    return this.head(which === 'all' ? hidden : tf.slice(hidden, [0, length - 1, 0], [batch, 1, width]));
  }
}
