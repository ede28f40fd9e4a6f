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
import type { AttentionContext, KeyValue } from './attention.ts';
import { buildDecoder, type DecoderParts } from './build-decoder.ts';
import { advanceCache, emptyCache, type ModelCache, pastDocuments } from './cache.ts';
import type { ModelConfig, ModelConfigInput } from './config.ts';
import { attentionShape, parseModelConfig } from './config.ts';
import type { DecoderLayer, DecoderLayerOutput } from './decoder-layer.ts';
import { Initializer } from './initializer.ts';
import { effectiveDocuments, type Packing, packDocuments } from './packing.ts';
import { RotaryTable, type Rotation } from './rotary.ts';
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
  /** The cache after these tokens, if one was given. It shares no tensor with that or with the rest of the output. */
  readonly cache?: ModelCache;
}

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
    const [batch, length] = this.checkInput(input);
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

  private checkInput({ inputIds, mask, documents, positions, cache }: ForwardInput): [number, number] {
    const where = 'DecoderModel.forward';
    checkShape(inputIds.shape, [-1, -1], `${where} inputIds`);
    const [batch, length] = inputIds.shape;
    checkValue(batch > 0 && length > 0, 'there must be at least one row and one token.', `${where} inputIds`);
    for (const [name, given, dtype] of [
      ['inputIds', inputIds, 'int32'],
      ['mask', mask, 'float32'],
      ['documents', documents, 'int32'],
      ['positions', positions, 'int32'],
    ] as const) {
      if (given === undefined) continue;
      checkShape(given.shape, [batch, length], `${where} ${name}`);
      if (given.dtype !== dtype) {
        throw new SpectraError('SHAPE', {
          message: `expected ${dtype}, got ${given.dtype}.`,
          where: `${where} ${name}`,
        });
      }
    }
    const held = cache?.layers[0]?.key.shape[0];
    checkValue(
      held === undefined || held === batch,
      `the cache holds ${held} rows, inputIds ${batch}.`,
      where,
    );
    const { max_position_embeddings: limit } = this.config;
    const end = (cache?.length ?? 0) + length;
    checkValue(
      this.parts.positions === undefined ||
        end <= limit ||
        positions !== undefined ||
        documents !== undefined,
      `${end} positions, but only ${limit} are learned.`,
      where,
      'Shorten the sequence, raise max_position_embeddings, or use rotary positions.',
    );
    return [batch, length];
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

/** Where each token stands; none where every row is one document without padding. */
function packingOf({ inputIds, mask, documents }: ForwardInput, past: ModelCache): Packing | undefined {
  const given = effectiveDocuments(mask, documents);
  if (given === undefined && past.documents === undefined) return undefined;
  const [batch, length] = inputIds.shape;
  const ids = given ?? (tf.zeros([batch, length], 'int32') as tf.Tensor2D);
  if (past.length === 0) return packDocuments(ids);
  const last = tf.slice(pastDocuments(past, batch), [0, past.length - 1], [batch, 1]);
  return packDocuments(ids, {
    lastDocument: tf.reshape(last, [batch]) as tf.Tensor1D,
    next: past.next ?? (tf.fill([batch], past.length, 'int32') as tf.Tensor1D),
  });
}

function attentionContext(
  rotation: Rotation | undefined,
  packing: Packing | undefined,
  past: ModelCache,
): AttentionContext {
  const turned = rotation === undefined ? {} : { rotation };
  if (packing === undefined) return turned;
  const { documents } = packing;
  const keyDocuments =
    past.length === 0
      ? documents
      : (tf.concat([pastDocuments(past, documents.shape[0]), documents], 1) as tf.Tensor2D);
  return { ...turned, queryDocuments: documents, keyDocuments };
}

function routeContext(
  input: ForwardInput,
  packing: Packing | undefined,
  below: tf.Tensor3D | undefined,
  cache: tf.Tensor2D | undefined,
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
