/** What a forward pass takes and gives, and what layers and routers need to know of it. */
import type { Balance, RouteContext, Routing } from '@spectra/routing';
import { checkShape, checkValue, SpectraError } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionContext } from './attend.ts';
import { type ModelCache, pastDocuments } from './cache.ts';
import type { LayerTrace } from './decoder-layer.ts';
import { effectiveDocuments, type Packing, packDocuments } from './packing.ts';
import type { Rotation } from './rotary.ts';

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
  /** [B,S,H] float32 that is added to the tokens' embeddings, such as NEFTune's noise (Jain et al. 2023). */
  readonly embeddingNoise?: tf.Tensor3D | undefined;
  /** Optimizer steps done, for the routers' warm-ups; 0 by default. */
  readonly step?: number | undefined;
  /** What came before these tokens; also asks for the cache after them. Begin with `emptyCache()`. */
  readonly cache?: ModelCache | undefined;
  /** Logits of every position (default), of the last one only, or none. */
  readonly logits?: 'all' | 'last' | 'none' | undefined;
  /** Whether to return what layers and their parts write, and what routers read; false by default. */
  readonly layerOutputs?: boolean | undefined;
}

/** All tensors belong to the caller (inside a `tidy`, to the tidy). */
export interface ForwardOutput {
  /** [B,S,H] after the final norm. */
  readonly hidden: tf.Tensor3D;
  /** [B,S,V], [B,1,V] or, not asked for, [B,0,V]. */
  readonly logits: tf.Tensor3D;
  /** The decision of each mixture-of-experts layer, from below, without the router's `cache`; N = B·S tokens. */
  readonly routings: readonly Routing[];
  /** Sum of the routers' weighted losses; 0 when not training. */
  readonly routerLoss: tf.Scalar;
  /** Per layer [B,S,H] with the residual; empty unless asked for. */
  readonly layerOutputs: readonly tf.Tensor3D[];
  /** Per mixture-of-experts layer [N,H], the normed hidden states that were routed; empty unless asked for. */
  readonly routerInputs: readonly tf.Tensor2D[];
  /** Per layer; empty unless asked for. */
  readonly traces: readonly LayerTrace[];
  /** [B,S,H] what enters the first layer; only where asked for. */
  readonly embeddings?: tf.Tensor3D;
  /** The cache after these tokens, if one was given. It shares no tensor with that or with the rest of the output. */
  readonly cache?: ModelCache;
}

/** What one layer by itself makes. */
export interface LayerPass {
  /** [B,S,H] with the residual. */
  readonly output: tf.Tensor3D;
  /** The decision of a mixture-of-experts layer, and the rows [N,H] that it was made from. */
  readonly routing?: Routing;
  readonly routerInput?: tf.Tensor2D;
}

/**
 * Checks shapes, dtypes, with learned positions that there are enough (`learned`), and that no cache is carried over the
 * position at which frequencies change (`switchesAt`), as far as positions are known here; returns [B, S].
 */
export function checkForwardInput(
  { inputIds, mask, documents, positions, embeddingNoise, cache }: ForwardInput,
  hidden: number,
  learned: number | undefined,
  switchesAt: number | undefined,
): [number, number] {
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
  if (embeddingNoise !== undefined)
    checkShape(embeddingNoise.shape, [batch, length, hidden], `${where} embeddingNoise`);
  const rows = cache?.layers[0]?.key.shape[0];
  checkValue(rows === undefined || rows === batch, `the cache holds ${rows} rows, inputIds ${batch}.`, where);
  const end = (cache?.length ?? 0) + length;
  checkValue(
    learned === undefined || end <= learned || positions !== undefined || documents !== undefined,
    `${end} positions, but only ${learned} are learned.`,
    where,
    'Shorten the sequence, raise max_position_embeddings, or use rotary positions.',
  );
  const counted = positions === undefined && mask === undefined && documents === undefined;
  const held = counted && cache?.documents === undefined ? (cache?.length ?? 0) : 0;
  checkValue(
    switchesAt === undefined || held === 0 || held > switchesAt || end <= switchesAt,
    `positions ${held} to ${end - 1} follow a cache, but from position ${switchesAt} on frequencies are others.`,
    where,
    'Run the whole text again with an empty cache.',
  );
  return [batch, length];
}

/** Where each token stands; none where every row is one document without padding. */
export function packingOf(
  { inputIds, mask, documents }: ForwardInput,
  past: ModelCache,
): Packing | undefined {
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

/** [B,S] int32 position of each token in its document, counted over all passes. */
export function tokenPositions(
  { inputIds, positions }: ForwardInput,
  packing: Packing | undefined,
  past: ModelCache,
): tf.Tensor2D {
  const [batch, length] = inputIds.shape;
  const counted = (): tf.Tensor => {
    const row = tf.expandDims(tf.range(past.length, past.length + length, 1, 'int32'), 0);
    return batch === 1 ? row : tf.tile(row, [batch, 1]);
  };
  return positions ?? packing?.positions ?? (counted() as tf.Tensor2D);
}

/**
 * [] int32 the largest position so far of any row, where frequencies change with it (`switchesAt`): a row that has ended is
 * fed padding and does not show any more how far it went, but what the cache holds was made with what it asked for.
 */
export function farthestPosition(
  positions: tf.Tensor2D | undefined,
  past: ModelCache,
  switchesAt: number | undefined,
): tf.Scalar | undefined {
  if (switchesAt === undefined || positions === undefined) return past.farthest?.clone();
  const now = tf.max(positions);
  return (past.farthest === undefined ? now : tf.maximum(now, past.farthest)) as tf.Scalar;
}

/** What the layers' attention needs: positions, and which tokens see which. */
export function attentionContext(
  rotations: Readonly<Record<string, Rotation>>,
  packing: Packing | undefined,
  past: ModelCache,
): AttentionContext {
  if (packing === undefined) return { rotations };
  const { documents } = packing;
  const keyDocuments =
    past.length === 0
      ? documents
      : (tf.concat([pastDocuments(past, documents.shape[0]), documents], 1) as tf.Tensor2D);
  return { rotations, queryDocuments: documents, keyDocuments };
}

/** What the router of one layer is told; `below` and `cache` are its neighbour's and its own state. */
export function routeContext(
  input: ForwardInput,
  packing: Packing | undefined,
  positions: tf.Tensor2D | undefined,
  below: tf.Tensor3D | undefined,
  cache: tf.Tensor2D | undefined,
): RouteContext {
  return {
    balance: input.balance ?? 'potentials',
    training: input.training ?? false,
    step: input.step ?? 0,
    tokens: input.inputIds,
    ...(positions === undefined ? {} : { positions }),
    ...(input.mask === undefined ? {} : { mask: input.mask }),
    ...(input.documents === undefined || packing === undefined ? {} : { documentStart: packing.starts }),
    ...(below === undefined ? {} : { below }),
    ...(cache === undefined ? {} : { cache }),
  };
}
