/** One matrix product per expert over its contiguous rows: cost N·k, never N·E. */
import { defineOp, type Op, wasmGemm, wasmGemmWork } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { groupedMatMulOnDevice, groupedOuterOnDevice } from './kernels/webgpu/grouped-matmul.ts';

type MatMulInputs = { x: tf.Tensor; w: tf.Tensor; offsets: tf.Tensor };
interface MatMulAttrs {
  /** true: w is [E,out,in] (as stored) and y = x·wᵀ; false: w is [E,in,out] and y = x·w. */
  readonly transpose: boolean;
}
type OuterInputs = { a: tf.Tensor; b: tf.Tensor; offsets: tf.Tensor };

const matMulOp: Op<MatMulInputs, MatMulAttrs> = defineOp({
  name: 'GroupedMatMul',
  readsBack: true,
  reference: ({ x, w, offsets }, { transpose }) => {
    const width = w.shape[transpose ? 1 : 2]!;
    const blocks = blocksOf(offsets).map(([begin, end], e) =>
      tf.matMul(
        x.slice([begin, 0], [end - begin, -1]) as Tensor2D,
        w.slice([e, 0, 0], [1, -1, -1]).squeeze([0]) as Tensor2D,
        false,
        transpose,
      ),
    );
    const filled = blocks.reduce((rows, block) => rows + block.shape[0]!, 0);
    const rest = x.shape[0]! - filled;
    const parts = [
      ...blocks.filter(block => block.shape[0]! > 0),
      ...(rest > 0 ? [tf.zeros([rest, width])] : []),
    ];
    return [parts.length === 0 ? tf.zeros([0, width]) : tf.concat(parts as Tensor2D[], 0)];
  },
  kernels: {
    wasm: ({ x, w, offsets }, { transpose }, call) => {
      const [rows, k] = [x.shape[0]!, x.shape[1]!];
      const [experts, n] = [w.shape[0]!, w.shape[transpose ? 1 : 2]!];
      const out = call.output([rows, n]);
      const bounds = Int32Array.from(call.ints(call.address(offsets), experts + 1));
      call.floats(call.address(out), rows * n).fill(0, bounds[experts]! * n);
      const work = call.scratch(wasmGemmWork(call, rows, n, k));
      for (let e = 0; e < experts; e++) {
        const [begin, end] = [bounds[e]!, bounds[e + 1]!];
        if (begin === end) continue;
        wasmGemm(call, {
          a: call.address(x) + begin * k * 4,
          b: call.address(w) + e * n * k * 4,
          c: call.address(out) + begin * n * 4,
          m: end - begin,
          n,
          k,
          transposeA: false,
          transposeB: transpose,
          work,
        });
      }
      return [out];
    },
    webgpu: (inputs, { transpose }, backend) => groupedMatMulOnDevice(backend, inputs, transpose),
  },
  gradient: ({ dys: [dy], inputs: { x, w, offsets }, attrs: { transpose }, wanted }) => ({
    ...(wanted('x') ? { x: matMulOp({ x: dy!, w, offsets }, { transpose: !transpose })[0]! } : {}),
    ...(wanted('w')
      ? { w: outerOp(transpose ? { a: dy!, b: x, offsets } : { a: x, b: dy!, offsets }, {})[0]! }
      : {}),
  }),
});

const outerOp: Op<OuterInputs, object> = defineOp({
  name: 'GroupedOuter',
  readsBack: true,
  reference: ({ a, b, offsets }) => [
    tf.stack(
      blocksOf(offsets).map(([begin, end]) =>
        end === begin
          ? tf.zeros([a.shape[1]!, b.shape[1]!])
          : tf.matMul(
              a.slice([begin, 0], [end - begin, -1]) as Tensor2D,
              b.slice([begin, 0], [end - begin, -1]) as Tensor2D,
              true,
              false,
            ),
      ),
    ),
  ],
  kernels: {
    wasm: ({ a, b, offsets }, _, call) => {
      const [experts, m, n] = [offsets.shape[0]! - 1, a.shape[1]!, b.shape[1]!];
      const out = call.output([experts, m, n]);
      const bounds = Int32Array.from(call.ints(call.address(offsets), experts + 1));
      const work = call.scratch(wasmGemmWork(call, m, n, a.shape[0]!));
      for (let e = 0; e < experts; e++) {
        const [begin, end] = [bounds[e]!, bounds[e + 1]!];
        const c = call.address(out) + e * m * n * 4;
        if (begin === end) {
          call.floats(c, m * n).fill(0);
          continue;
        }
        wasmGemm(call, {
          a: call.address(a) + begin * m * 4,
          b: call.address(b) + begin * n * 4,
          c,
          m,
          n,
          k: end - begin,
          transposeA: true,
          transposeB: false,
          work,
        });
      }
      return [out];
    },
    webgpu: (inputs, _, backend) => groupedOuterOnDevice(backend, inputs),
  },
});

/**
 * x [M,in] with rows grouped by expert, w [E,out,in] → [M,out], each row times its expert's wᵀ; with `transpose` false
 * w is [E,in,out], and it is each row times its expert's w. Rows past offsets[E] are 0. Differentiable in x and w. The
 * caller owns the result.
 */
export function groupedMatMul(x: Tensor2D, w: Tensor3D, offsets: Tensor1D, transpose = true): Tensor2D {
  return matMulOp({ x, w, offsets }, { transpose })[0] as Tensor2D;
}

/** Σ over each expert's rows of aᵀ·b: a [M,m], b [M,n] → [E,m,n]; not differentiable. The caller owns the result. */
export function groupedOuter(a: Tensor2D, b: Tensor2D, offsets: Tensor1D): Tensor3D {
  return outerOp({ a, b, offsets }, {})[0] as Tensor3D;
}

function blocksOf(offsets: tf.Tensor): [number, number][] {
  const bounds = offsets.dataSync<'int32'>();
  return Array.from({ length: bounds.length - 1 }, (_, e) => [bounds[e]!, bounds[e + 1]!]);
}
