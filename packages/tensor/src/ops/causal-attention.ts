/** Grouped-query causal attention within documents (Vaswani et al. 2017; Ainslie et al. 2023). */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { KernelInputs } from '../define-op.ts';
import { defineOp } from '../define-op.ts';
import { checkShape, checkValue, SpectraError } from '../errors.ts';
import { attend, attendGrad } from '../kernels/reference/attention.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import type { WasmCall } from '../wasm-call.ts';

export type AttentionInputs = {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  queryDocuments?: Tensor | undefined;
  keyDocuments?: Tensor | undefined;
};

export interface AttentionAttrs {
  /** Positions a query sees, itself included; 0: all before it. */
  readonly window: number;
  readonly scale: number;
}

// outputs: the result, and ln Σ e^score of each query [B,heads,S], from which the backward pass makes the
// probabilities again
const op = defineOp<AttentionInputs, AttentionAttrs>({
  name: 'CausalAttention',
  reference: attend,
  kernels: {
    wasm: (inputs, attrs, call) => {
      const { q, k, v } = inputs;
      const { batch, length, heads, valueWidth } = sizes(inputs);
      const out = call.output([batch, length, heads, valueWidth]);
      const normaliser = call.output([batch, heads, length]);
      const { kernels, work, gemmWork } = prepare(inputs, attrs, call);
      kernels.attention(
        call.address(q),
        call.address(k),
        call.address(v),
        call.address(out),
        call.address(normaliser),
        batch,
        call.addressOr0(inputs.queryDocuments),
        call.addressOr0(inputs.keyDocuments),
        work,
        gemmWork,
      );
      return [out, normaliser];
    },
  },
  gradient: ({ dys: [dy], inputs, outputs: [out, normaliser], attrs }) => {
    const { window, scale } = attrs;
    const [q, k, v] = gradOp({ ...inputs, out: out!, normaliser: normaliser!, dy: dy! }, { window, scale });
    return { q: q!, k: k!, v: v! };
  },
});

const gradOp = defineOp<AttentionInputs & { out: Tensor; normaliser: Tensor; dy: Tensor }, AttentionAttrs>({
  name: 'CausalAttentionGrad',
  reference: attendGrad,
  kernels: {
    wasm: (inputs, attrs, call) => {
      const { q, k, v } = inputs;
      const [dq, dk, dv] = [call.output(q.shape), call.output(k.shape), call.output(v.shape)];
      const { kernels, work, gemmWork } = prepare(inputs, attrs, call);
      kernels.attentionGrad(
        call.address(q),
        call.address(k),
        call.address(v),
        call.address(inputs.out),
        call.address(inputs.normaliser),
        call.address(inputs.dy),
        call.address(dq),
        call.address(dk),
        call.address(dv),
        sizes(inputs).batch,
        call.addressOr0(inputs.queryDocuments),
        call.addressOr0(inputs.keyDocuments),
        work,
        gemmWork,
      );
      return [dq, dk, dv];
    },
  },
});

function sizes({ q, k, v }: KernelInputs<AttentionInputs>) {
  const [batch, length, heads, width] = q.shape as [number, number, number, number];
  const [, keys, keyHeads, valueWidth] = [k.shape[0], k.shape[1]!, k.shape[2]!, v.shape[3]!];
  return { batch, length, heads, width, keys, keyHeads, valueWidth };
}

/** Tells the kernels the sizes, and allocates two blocks of scores and the product's scratch. */
function prepare(inputs: KernelInputs<AttentionInputs>, { window, scale }: AttentionAttrs, call: WasmCall) {
  const { length, heads, width, keys, keyHeads, valueWidth } = sizes(inputs);
  const kernels = tensorKernels(call.backend);
  kernels.attentionShape(length, keys, heads, keyHeads, width, valueWidth, window, scale);
  const widest = Math.max(width, valueWidth, keys, length);
  return {
    kernels,
    work: call.scratch(8 * kernels.attentionBlock()),
    gemmWork: call.scratch(kernels.gemmWork(widest, widest, widest)),
  };
}

export interface CausalAttentionOptions {
  /**
   * [B,S] and [B,K] int32: a query sees keys of its own document only; −1 is padding, seen by none and seeing none.
   * Both or neither.
   */
  readonly queryDocuments?: Tensor2D | undefined;
  readonly keyDocuments?: Tensor2D | undefined;
  /** Positions a query sees, itself included; all before it by default. */
  readonly window?: number | undefined;
  /** Positive, multiplies q·kᵀ; 1/√d by default. */
  readonly scale?: number | undefined;
}

/**
 * q [B,S,heads,d], k [B,K,key heads,d], v [B,K,key heads,e], the last S keys being the queries' own positions →
 * softmax(scale·q·kᵀ) v over the keys at or before each query, [B,S,heads,e]. Query head i uses key head
 * ⌊i·key heads/heads⌋. A query that sees no key gives 0. Differentiable in q, k and v; the caller owns the result.
 *
 * @throws SHAPE, VALUE for shapes that do not fit together
 */
export function causalAttention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: CausalAttentionOptions = {},
): Tensor4D {
  const { queryDocuments, keyDocuments, window = 0 } = options;
  const where = 'causalAttention';
  const [batch, length, heads, width] = q.shape;
  checkShape(k.shape, [batch, -1, -1, width], `${where} k`);
  checkShape(v.shape, [batch, k.shape[1], k.shape[2], -1], `${where} v`);
  checkValue(
    heads % k.shape[2] === 0,
    `${heads} query heads are no multiple of ${k.shape[2]} key heads.`,
    where,
  );
  checkValue(k.shape[1] >= length, `${length} queries but only ${k.shape[1]} keys.`, where);
  checkValue(
    Number.isInteger(window) && window >= 0,
    `the window must be an integer ≥ 0, got ${window}.`,
    where,
  );
  const scale = options.scale ?? 1 / Math.sqrt(width);
  checkValue(scale > 0, `the scale must be positive, got ${scale}.`, where);
  checkValue(
    (queryDocuments === undefined) === (keyDocuments === undefined),
    'give both document tensors or neither.',
    where,
  );
  checkDocuments(queryDocuments, [batch, length], `${where} queryDocuments`);
  checkDocuments(keyDocuments, [batch, k.shape[1]], `${where} keyDocuments`);
  const [out, normaliser] = op({ q, k, v, queryDocuments, keyDocuments }, { window, scale }) as [
    Tensor4D,
    Tensor,
  ];
  normaliser.dispose();
  return out;
}

function checkDocuments(documents: Tensor | undefined, shape: readonly number[], where: string): void {
  if (documents === undefined) return;
  checkShape(documents.shape, shape, where);
  if (documents.dtype !== 'int32')
    throw new SpectraError('SHAPE', { message: `needs int32, got ${documents.dtype}.`, where });
}
