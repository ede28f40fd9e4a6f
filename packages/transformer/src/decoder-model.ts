/** The decoder: embedding, layers, norm and head, with packed documents, padding, caches and routers' decisions. */
import type { Balance, RouteContext, Router, Routing } from '@spectra/routing';
import {
  checkShape,
  checkValue,
  gatherRows,
  type Module,
  type Parameter,
  SpectraError,
} from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionContext } from './attention.ts';
import { buildDecoder, type DecoderParts } from './build-decoder.ts';
import { emptyCache, type LayerCache, type ModelCache } from './cache.ts';
import type { ModelConfig, ModelConfigInput } from './config.ts';
import { attentionShape, parseModelConfig } from './config.ts';
import type { DecoderLayer, DecoderLayerOutput } from './decoder-layer.ts';
import { Initializer } from './initializer.ts';
import { effectiveDocuments, type Packing, packDocuments } from './packing.ts';
import { RotaryTable } from './rotary.ts';
import { tidied } from './tidied.ts';

export interface ForwardInput {
  /** [B,S] int32 in [0, vocab_size). */
  readonly inputIds: tf.Tensor2D;
  /** [B,S] float32, 1 for a token, 0 for padding on the left or right; none means all tokens. */
  readonly mask?: tf.Tensor2D | undefined;
  /** [B,S] int32 ≥ 0: neighbours with the same number are one document and see nothing of the others. */
  readonly documents?: tf.Tensor2D | undefined;
  /** [B,S] int32 < max_position_embeddings; by default counted from 0 in each document, padding left out. */
  readonly positions?: tf.Tensor2D | undefined;
  /** How routers balance; `potentials`, which is causal, by default. */
  readonly balance?: Balance | undefined;
  /** Whether routers make losses and statistics; false by default. */
  readonly training?: boolean | undefined;
  /** Optimizer steps done, for the routers' warm-ups; 0 by default. */
  readonly step?: number | undefined;
  /** What came before these tokens; also asks for the cache after them. Begin with `emptyCache()`. */
  readonly cache?: ModelCache | undefined;
  /** Logits of every position (default), of the last one only, or none. */
  readonly logits?: 'all' | 'last' | 'none' | undefined;
  /** Whether to return what each layer writes; false by default. */
  readonly layerOutputs?: boolean | undefined;
}

/** All tensors belong to the caller (inside a `tidy`, to the tidy). */
export interface ForwardOutput {
  /** [B,S,H] after the final norm. */
  readonly hidden: tf.Tensor3D;
  /** [B,S,V], [B,1,V] or, not asked for, [B,0,V]. */
  readonly logits: tf.Tensor3D;
  /** The decision of each mixture-of-experts layer, from below; N = B·S tokens. */
  readonly routings: readonly Routing[];
  /** Sum of the routers' weighted losses; 0 when not training. */
  readonly routerLoss: tf.Scalar;
  /** Per layer [B,S,H] with the residual; empty unless asked for. */
  readonly layerOutputs: readonly tf.Tensor3D[];
  /** The cache after these tokens, if one was given. It shares no tensor with the one given. */
  readonly cache?: ModelCache;
}

export interface DecoderOptions {
  /** Every weight follows from it and from its own name; 0 by default. */
  readonly seed?: number;
  /** Leaves attention, MLPs, norms and embeddings at 0 (norms at 1), for a model about to be loaded. */
  readonly uninitialised?: boolean;
}

export class DecoderModel implements Module {
  readonly config: ModelConfig;
  readonly layers: readonly DecoderLayer[];
  private readonly parts: DecoderParts;
  private readonly rotation: RotaryTable | undefined;

  /** Validates the configuration (`CONFIG_INVALID`) and draws the weights; `setBackend` must have been awaited. */
  constructor(config: ModelConfigInput, options: DecoderOptions = {}) {
    this.config = parseModelConfig(config);
    this.parts = buildDecoder(this.config, new Initializer(options.seed ?? 0, options.uninitialised));
    this.layers = this.parts.layers;
    if (this.config.positions === 'rotary') {
      const { rope_theta: theta, rope_scaling: scaling } = this.config;
      this.rotation = new RotaryTable(attentionShape(this.config).headDim, theta, scaling);
    }
  }

  /** The routers of the mixture-of-experts layers, from below: `routers[i]` made `routings[i]`. */
  get routers(): Router[] {
    return this.layers.flatMap(layer => (layer.moe === undefined ? [] : [layer.moe.router]));
  }

  /** Synchronous and differentiable; changes no state. Shapes and ownership: `ForwardInput`, `ForwardOutput`. */
  forward(input: ForwardInput): ForwardOutput {
    const [batch, length] = this.checkInput(input);
    return tidied(() => {
      const packing = this.pack(input, batch, length);
      const past = input.cache ?? emptyCache();
      const attention = this.attentionContext(input, past, packing, length);
      let hidden = this.embed(input, past, packing);
      let below: tf.Tensor3D | undefined;
      const routings: Routing[] = [];
      const outputs: DecoderLayerOutput[] = [];
      for (const [i, layer] of this.layers.entries()) {
        const route = routeContext(input, packing, below, past.layers[i]?.router);
        const out = layer.forward(hidden, attention, route, past.layers[i]);
        hidden = out.output;
        outputs.push(out);
        if (out.routing !== undefined) {
          routings.push(out.routing);
          below = out.routing.carry ?? below;
        }
      }
      const normed = this.parts.norm.forward(hidden.reshape([batch * length, -1])).reshape(hidden.shape);
      return {
        hidden: normed,
        logits: this.logitsOf(normed, input.logits ?? 'all'),
        routings,
        routerLoss: routings.reduce((sum, { loss }) => sum.add(loss) as tf.Scalar, tf.scalar(0)),
        layerOutputs: input.layerOutputs ? outputs.map(({ output }) => output) : [],
        ...(input.cache === undefined ? {} : { cache: nextCache(input.cache, outputs, packing, length) }),
      };
    });
  }

  /** [B,S,H] after the final norm → logits [B,S,V]; the caller owns them. */
  head(hidden: tf.Tensor3D): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    return tidied(() => {
      const flat = hidden.reshape([batch * length, width]) as tf.Tensor2D;
      const weight = (this.parts.head ?? this.parts.embedding).variable as unknown as tf.Tensor2D;
      return tf.matMul(flat, weight, false, true).reshape([batch, length, this.config.vocab_size]);
    });
  }

  /** Every parameter once, under its checkpoint name. */
  parameters(): Parameter[] {
    const { embedding, positions, layers, norm, head } = this.parts;
    const ends = [head].filter(p => p !== undefined);
    const starts = [embedding, positions].filter(p => p !== undefined);
    const all = [...starts, ...layers.flatMap(layer => layer.parameters()), ...norm.parameters(), ...ends];
    return [...new Set(all)]; // a global router belongs to several layers
  }

  /** Releases every weight and table. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
    this.rotation?.dispose();
  }

  private checkInput({ inputIds, mask, documents, positions, cache }: ForwardInput): [number, number] {
    checkShape(inputIds.shape, [-1, -1], 'DecoderModel.forward inputIds');
    const [batch, length] = inputIds.shape;
    checkValue(
      batch > 0 && length > 0,
      'there must be at least one row and one token.',
      'DecoderModel.forward inputIds',
    );
    if (inputIds.dtype !== 'int32') {
      throw new SpectraError('SHAPE', {
        message: `inputIds must be int32, got ${inputIds.dtype}.`,
        where: 'DecoderModel.forward',
      });
    }
    for (const [name, given] of Object.entries({ mask, documents, positions })) {
      if (given !== undefined) checkShape(given.shape, [batch, length], `DecoderModel.forward ${name}`);
    }
    const held = cache?.layers[0]?.key.shape[0];
    checkValue(
      held === undefined || held === batch,
      `the cache holds ${held} rows, inputIds ${batch}.`,
      'DecoderModel.forward',
    );
    const { max_position_embeddings: limit } = this.config;
    const end = (cache?.length ?? 0) + length;
    checkValue(
      this.parts.positions === undefined ||
        positions !== undefined ||
        end <= limit ||
        documents !== undefined,
      `${end} positions, but only ${limit} were learned.`,
      'DecoderModel.forward',
      'Shorten the sequence, raise max_position_embeddings, or use rotary positions.',
    );
    return [batch, length];
  }

  /** Where each token stands; none where every row is one document without padding. */
  private pack({ mask, documents, cache }: ForwardInput, batch: number, length: number): Packing | undefined {
    const effective = effectiveDocuments(mask, documents);
    if (effective === undefined && cache?.documents === undefined) return undefined;
    const ids = effective ?? (tf.zeros([batch, length], 'int32') as tf.Tensor2D);
    if (cache === undefined || cache.length === 0) return packDocuments(ids);
    const lastDocument =
      cache.documents === undefined
        ? tf.zeros([batch], 'int32')
        : cache.documents.slice([0, cache.length - 1], [batch, 1]).reshape([batch]);
    const next = cache.next ?? tf.fill([batch], cache.length, 'int32');
    return packDocuments(ids, { lastDocument: lastDocument as tf.Tensor1D, next: next as tf.Tensor1D });
  }

  private attentionContext(
    input: ForwardInput,
    past: ModelCache,
    packing: Packing | undefined,
    length: number,
  ): AttentionContext {
    const rotation = this.rotate(input, past, packing, length);
    const context = rotation === undefined ? {} : { rotation };
    if (packing === undefined) return context;
    const { documents } = packing;
    if (past.length === 0) return { ...context, queryDocuments: documents, keyDocuments: documents };
    return {
      ...context,
      queryDocuments: documents,
      keyDocuments: tf.concat([pastDocuments(past, documents.shape[0]), documents], 1),
    };
  }

  private rotate(
    { positions }: ForwardInput,
    past: ModelCache,
    packing: Packing | undefined,
    length: number,
  ) {
    if (positions !== undefined) return this.rotation?.at(positions, this.config.max_position_embeddings);
    if (packing !== undefined) return this.rotation?.at(packing.positions, past.length + length);
    return this.rotation?.range(past.length, length);
  }

  private embed(
    { inputIds, positions }: ForwardInput,
    past: ModelCache,
    packing: Packing | undefined,
  ): tf.Tensor3D {
    const [batch, length] = inputIds.shape;
    const width = this.config.hidden_size;
    const rows = (table: Parameter, ids: tf.Tensor): tf.Tensor =>
      gatherRows(table.variable as unknown as tf.Tensor2D, ids.reshape([-1]) as tf.Tensor1D);
    const tokens = rows(this.parts.embedding, inputIds).reshape([batch, length, width]) as tf.Tensor3D;
    const learned = this.parts.positions;
    if (learned === undefined) return tokens;
    const where =
      positions ??
      packing?.positions ??
      tf.range(past.length, past.length + length, 1, 'int32').expandDims(0);
    return tokens.add(rows(learned, where).reshape([...where.shape, width]));
  }

  private logitsOf(hidden: tf.Tensor3D, which: 'all' | 'last' | 'none'): tf.Tensor3D {
    const [batch, length, width] = hidden.shape;
    if (which === 'none') return tf.zeros([batch, 0, this.config.vocab_size]);
    return this.head(which === 'all' ? hidden : hidden.slice([0, length - 1, 0], [batch, 1, width]));
  }
}

function routeContext(
  input: ForwardInput,
  packing: Packing | undefined,
  below?: tf.Tensor3D,
  cache?: tf.Tensor2D,
): RouteContext {
  return {
    balance: input.balance ?? 'potentials',
    training: input.training ?? false,
    step: input.step ?? 0,
    ...(input.mask === undefined ? {} : { mask: input.mask }),
    ...(input.documents === undefined || packing === undefined ? {} : { documentStart: packing.starts }),
    ...(below === undefined ? {} : { below }),
    ...(cache === undefined ? {} : { cache }),
  };
}

function pastDocuments(past: ModelCache, batch: number): tf.Tensor2D {
  return past.documents ?? tf.zeros([batch, past.length], 'int32');
}

function nextCache(
  past: ModelCache,
  outputs: readonly DecoderLayerOutput[],
  packing: Packing | undefined,
  length: number,
): ModelCache {
  const layers = outputs.map(({ key, value, routing }): LayerCache => {
    // a clone: the routing, which holds it too, may be disposed before the cache
    const router = routing?.cache?.clone();
    return { key, value, ...(router === undefined ? {} : { router }) };
  });
  const all = { length: past.length + length, layers };
  if (packing === undefined) return all;
  const { documents, next } = packing;
  const held =
    past.length === 0 ? documents : tf.concat([pastDocuments(past, documents.shape[0]), documents], 1);
  return { ...all, documents: held, next };
}
