/**
 * A pre-norm attention block without a gradient as one op: x + attention(norm x)·Wₒ, and the keys and values for those
 * after it. For decoding, where a token's arithmetic takes less time than the some twenty operations it is composed of
 * take to be called.
 */
import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp, type KernelInputs } from '../define-op.ts';
import { checkShape, checkValue } from '../errors.ts';
import { wasmGemm, wasmGemmWork } from '../kernels/wasm/gemm.ts';
import type { WasmCall } from '../wasm-call.ts';
import { type AttentionAttrs, causalAttention, prepareAttention } from './causal-attention.ts';
import { rmsNorm } from './rms-norm.ts';
import { rotary } from './rotary.ts';

export type AttentionStepInputs = {
  /** [B·S,H] */
  readonly x: Tensor;
  /** [H] */
  readonly norm: Tensor;
  /** [heads·d,H], [key heads·d,H] twice, and [H,heads·d]. */
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly output: Tensor;
  /** [B or 1,S,r/2] each, as `rotary` takes them; q and k are not turned without. */
  readonly cos?: Tensor | undefined;
  readonly sin?: Tensor | undefined;
  /** [B,P,key heads,d] each. */
  readonly pastKey?: Tensor | undefined;
  readonly pastValue?: Tensor | undefined;
};

export interface AttentionStepAttrs extends AttentionAttrs {
  readonly batch: number;
  /** d */
  readonly headDim: number;
  /** Of the norm. */
  readonly epsilon: number;
}

const BYTES = 4;

const op = defineOp<AttentionStepInputs, AttentionStepAttrs>({
  name: 'AttentionStep',
  reference: (inputs, { batch, headDim, epsilon, window, scale }) => {
    const x = inputs.x as Tensor2D;
    const normed = rmsNorm(x, inputs.norm as Tensor1D, epsilon);
    const split = (weight: Tensor): Tensor4D =>
      tf.reshape(tf.matMul(normed, weight as Tensor2D, false, true), [
        batch,
        -1,
        weight.shape[0]! / headDim,
        headDim,
      ]);
    const turned = (y: Tensor4D): Tensor4D =>
      inputs.cos === undefined ? y : rotary(y, inputs.cos as Tensor3D, inputs.sin as Tensor3D);
    const join = (past: Tensor | undefined, now: Tensor4D): Tensor4D =>
      past === undefined ? now : tf.concat([past as Tensor4D, now], 1);
    const key = join(inputs.pastKey, turned(split(inputs.key)));
    const value = join(inputs.pastValue, split(inputs.value));
    const mixed = causalAttention(turned(split(inputs.query)), key, value, { window, scale });
    const rows = tf.reshape(mixed, [x.shape[0], -1]) as Tensor2D;
    return [tf.add(x, tf.matMul(rows, inputs.output as Tensor2D, false, true)), key, value];
  },
  kernels: { wasm: onWasm },
});

/** Each product writes where its result is wanted; what is cached is copied once. */
function onWasm(
  inputs: KernelInputs<AttentionStepInputs>,
  attrs: AttentionStepAttrs,
  call: WasmCall,
): TensorInfo[] {
  const { batch: B, headDim: d, epsilon } = attrs;
  const [N, H] = inputs.x.shape as [number, number];
  const S = N / B;
  const past = inputs.pastKey?.shape[1] ?? 0;
  const [inner, shared] = [inputs.query.shape[0]!, inputs.key.shape[0]!];
  const cached = [B, past + S, shared / d, d];
  const [out, key, value] = [call.output([N, H]), call.output(cached), call.output(cached)] as const;
  const q = { shape: [B, S, inner / d, d] };
  const { kernels, work, gemmWork: scores } = prepareAttention({ q, k: key, v: value }, attrs, call);
  const floats = (count: number): number => call.scratch(BYTES * count);
  const [normed, flat, queries, mixed] = [
    floats(N * H),
    floats(N * Math.max(inner, shared)),
    floats(N * inner),
    floats(N * inner),
  ];
  const normaliser = floats(N * (inner / d));
  const gemmWork = call.scratch(wasmGemmWork(call, N, Math.max(inner, H), Math.max(inner, H)));
  const at = (info: TensorInfo): number => call.address(info);

  kernels.rmsNorm(at(inputs.x), at(inputs.norm), normed, N, H, epsilon);
  /** `rows` of the normed input, from `row` on, through one weight. */
  const project = (weight: TensorInfo, row: number, rows: number, c: number): void =>
    wasmGemm(call, {
      a: normed + BYTES * row * H,
      b: at(weight),
      c,
      m: rows,
      n: weight.shape[0]!,
      k: H,
      transposeB: true,
      work: gemmWork,
    });
  const turn = (weight: TensorInfo, b: number, rows: number, c: number): void => {
    const { cos, sin } = inputs;
    if (cos === undefined) {
      project(weight, b * S, rows, c);
      return;
    }
    const half = cos.shape[2]!;
    const step = cos.shape[0] === 1 ? 0 : BYTES * S * half;
    project(weight, b * S, rows, flat);
    const heads = weight.shape[0]! / d;
    kernels.rotary(flat, at(cos) + b * step, at(sin!) + b * step, c, rows / S, S, heads, d, half, step, 1);
  };
  turn(inputs.query, 0, N, queries);
  for (let b = 0; b < B; b++) {
    const before = b * past * shared;
    const start = BYTES * b * (past + S) * shared;
    for (const [held, all] of [
      [inputs.pastKey, key],
      [inputs.pastValue, value],
    ] as const) {
      if (held === undefined) continue;
      const count = past * shared;
      call.floats(at(all) + start, count).set(call.floats(at(held) + BYTES * before, count));
    }
    turn(inputs.key, b, S, at(key) + start + BYTES * past * shared);
    project(inputs.value, b * S, S, at(value) + start + BYTES * past * shared);
  }
  kernels.attention(queries, at(key), at(value), mixed, normaliser, B, 0, 0, work, scores);
  call.floats(at(out), N * H).set(call.floats(at(inputs.x), N * H));
  wasmGemm(call, {
    a: mixed,
    b: at(inputs.output),
    c: at(out),
    m: N,
    n: H,
    k: inner,
    transposeB: true,
    accumulate: true,
    work: gemmWork,
  });
  return [out, key, value];
}

export interface AttentionStep {
  /** [B·S,H] */
  readonly output: Tensor2D;
  /** [B,P+S,key heads,d], those given before those of x. */
  readonly key: Tensor4D;
  readonly value: Tensor4D;
}

/**
 * x + causalAttention(q, k, v)·outputᵀ with q, k and v the projections of rmsNorm(x), q and k turned, k and v after the
 * past ones. Not differentiable; the caller owns the result. On wasm one call.
 *
 * @throws SHAPE, VALUE
 */
export function attentionStep(inputs: AttentionStepInputs, attrs: AttentionStepAttrs): AttentionStep {
  const where = 'attentionStep';
  const [N, H] = inputs.x.shape as [number, number];
  checkShape(inputs.x.shape, [-1, -1], `${where} x`);
  checkShape(inputs.norm.shape, [H], `${where} norm`);
  checkShape(inputs.query.shape, [-1, H], `${where} query`);
  checkShape(inputs.key.shape, [-1, H], `${where} key`);
  checkShape(inputs.value.shape, [...inputs.key.shape], `${where} value`);
  checkShape(inputs.output.shape, [H, inputs.query.shape[0]!], `${where} output`);
  const { batch, headDim } = attrs;
  const [heads, keyHeads] = [inputs.query.shape[0]! / headDim, inputs.key.shape[0]! / headDim];
  checkValue(
    Number.isInteger(heads) && Number.isInteger(keyHeads),
    `projections to ${inputs.query.shape[0]} and ${inputs.key.shape[0]} do not divide into heads of ${headDim}.`,
    where,
  );
  checkValue(
    heads % keyHeads === 0,
    `${heads} heads cannot share ${keyHeads} key heads in equal numbers.`,
    where,
  );
  checkValue(N % batch === 0, `${N} tokens are no ${batch} rows of equal length.`, where);
  const past = [batch, -1, keyHeads, headDim];
  if (inputs.cos !== undefined) {
    checkShape(inputs.cos.shape, [inputs.cos.shape[0] === 1 ? 1 : batch, N / batch, -1], `${where} cos`);
    checkValue(
      2 * inputs.cos.shape[2]! <= headDim,
      `${inputs.cos.shape[2]} angles turn more than a head of ${headDim}.`,
      where,
    );
    checkShape(inputs.sin?.shape ?? [], [...inputs.cos.shape], `${where} sin`);
  }
  if (inputs.pastKey !== undefined) {
    checkShape(inputs.pastKey.shape, past, `${where} pastKey`);
    checkShape(inputs.pastValue?.shape ?? [], [...inputs.pastKey.shape], `${where} pastValue`);
  }
  const [output, key, value] = op(inputs, attrs) as [Tensor2D, Tensor4D, Tensor4D];
  return { output, key, value };
}
