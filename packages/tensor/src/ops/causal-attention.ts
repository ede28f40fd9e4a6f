/** Grouped-query causal attention within documents (Vaswani et al. 2017; Ainslie et al. 2023). */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape, checkValue, SpectraError } from '../errors.ts';
import { attend, attendGrad } from '../kernels/reference/attention.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { attentionOnDevice } from '../kernels/webgpu/attention.ts';
import { attentionGradOnDevice } from '../kernels/webgpu/attention-grad.ts';
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
      const { kernels, work, gemmWork } = prepareAttention(inputs, attrs, call);
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
    webgpu: (inputs, attrs, backend) => attentionOnDevice(backend, inputs, attrs),
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
      const { kernels, work, gemmWork } = prepareAttention(inputs, attrs, call);
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
    webgpu: (inputs, attrs, backend) => attentionGradOnDevice(backend, inputs, attrs),
  },
});

/**
 * A sink is one logit more per head that no value belongs to (Xiao et al. 2024; GPT-OSS): it multiplies a query's
 * result by g = σ(lse − sink). Outputs as above, but the result is the multiplied one.
 */
const sinkOp = defineOp<AttentionInputs & { sinks: Tensor }, AttentionAttrs>({
  name: 'SinkAttention',
  reference: ({ sinks, ...inputs }, { window, scale }) => {
    const [out, normaliser] = op(inputs, { window, scale }) as [Tensor, Tensor];
    return [out.mul(keptShare(normaliser, sinks)), normaliser];
  },
  // with o = g·out the backward pass of attention, told dout = g·do and o in place of out, gives dq, dk and dv: its
  // rowsum(dout ⊙ o) = g²·rowsum(do ⊙ out) is rowsum(dout ⊙ out) − dlse, dlse = g(1 − g)·rowsum(do ⊙ out)
  gradient: ({ dys: [dy], inputs: { sinks, ...inputs }, outputs: [out, normaliser], attrs }) => {
    const { window, scale } = attrs;
    const kept = keptShare(normaliser!, sinks);
    const [q, k, v] = gradOp(
      { ...inputs, out: out!, normaliser: normaliser!, dy: dy!.mul(kept) },
      { window, scale },
    );
    const dSinks = dy!.mul(out!).sum(-1, true).mul(tf.sub(1, kept)).sum([0, 1, 3]).neg();
    return { q: q!, k: k!, v: v!, sinks: dSinks };
  },
});

/** σ(lse − sink) [B,S,heads,1]. */
function keptShare(normaliser: Tensor, sinks: Tensor): Tensor {
  return tf.sigmoid(normaliser.transpose([0, 2, 1]).sub(sinks)).expandDims(3);
}

/** Anything of the shapes of q, k and v. */
export type AttentionShapes = Readonly<Record<'q' | 'k' | 'v', { readonly shape: readonly number[] }>>;

function sizes({ q, k, v }: AttentionShapes) {
  const [batch, length, heads, width] = q.shape as [number, number, number, number];
  const [, keys, keyHeads, valueWidth] = [k.shape[0], k.shape[1]!, k.shape[2]!, v.shape[3]!];
  return { batch, length, heads, width, keys, keyHeads, valueWidth };
}

/** Tells the kernels the sizes, and allocates two blocks of scores and the product's scratch. */
export function prepareAttention(shapes: AttentionShapes, { window, scale }: AttentionAttrs, call: WasmCall) {
  const { length, heads, width, keys, keyHeads, valueWidth } = sizes(shapes);
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
  /** [heads] float32: one logit more in each head's softmax, whose share of the attention goes nowhere. */
  readonly sinks?: Tensor1D | undefined;
}

/**
 * q [B,S,heads,d], k [B,K,key heads,d], v [B,K,key heads,e], the last S keys being the queries' own positions →
 * softmax(scale·q·kᵀ) v over the keys at or before each query, [B,S,heads,e]. Query head i uses key head
 * ⌊i·key heads/heads⌋. A query that sees no key gives 0. Differentiable in q, k, v and sinks; the caller owns the result.
 *
 * @throws SHAPE, VALUE for shapes that do not fit together
 */
export function causalAttention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: CausalAttentionOptions = {},
): Tensor4D {
  const { queryDocuments, keyDocuments, sinks, window = 0 } = options;
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
  if (sinks !== undefined) checkShape(sinks.shape, [heads], `${where} sinks`);
  const inputs = { q, k, v, queryDocuments, keyDocuments };
  const attrs = { window, scale };
  const outputs = sinks === undefined ? op(inputs, attrs) : sinkOp({ ...inputs, sinks }, attrs);
  const [out, normaliser] = outputs as [Tensor4D, Tensor];
  normaliser.dispose();
  return out;
}

function checkDocuments(documents: Tensor | undefined, shape: readonly number[], where: string): void {
  if (documents === undefined) return;
  checkShape(documents.shape, shape, where);
  if (documents.dtype !== 'int32')
    throw new SpectraError('SHAPE', { message: `needs int32, got ${documents.dtype}.`, where });
}
