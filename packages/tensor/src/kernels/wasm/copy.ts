/** `Slice`, `Tile` and `GatherV2`: copies of parts, for 4-byte dtypes. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments } from './stock.ts';
import { joinAxes, strides, type WalkAxis, walkTable } from './strides.ts';

/** `rows` of `transposeWalk`. */
const COPY = 0;
const FILL = -1;

function isWide(x: TensorInfo): boolean {
  return x.dtype === 'float32' || x.dtype === 'int32';
}

export function slice(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.x as TensorInfo;
  if (!isWide(x)) return undefined;
  const [begin, size] = slice_util.parseSliceParams(
    x as never,
    attrs.begin as number[],
    attrs.size as number[],
  ) as [number[], number[]];
  slice_util.assertParamsValid(x, begin, size);
  const out = call.output(size, x.dtype);
  const [from, to] = [strides(x.shape), strides(size)];
  const start = begin.reduce((sum, at, i) => sum + at * (from[i] as number), 0);
  copy(
    call,
    x,
    start,
    out,
    size.map((count, i) => ({ size: count, a: from[i] as number, b: to[i] as number })),
  );
  return out;
}

export function tile(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.x as TensorInfo;
  if (!isWide(x)) return undefined;
  const reps = attrs.reps as number[];
  const shape = x.shape.map((size, i) => size * (reps[i] as number));
  const out = call.output(shape, x.dtype);
  const [from, to] = [strides(x.shape), strides(shape)];
  const axes = x.shape.flatMap((size, i): WalkAxis[] => [
    { size: reps[i] as number, a: 0, b: size * (to[i] as number) },
    { size, a: from[i] as number, b: to[i] as number },
  ]);
  copy(call, x, 0, out, axes);
  return out;
}

/** Copies x from element `start` on to all of `out`, axis by axis; strides of 0 repeat. */
function copy(
  call: WasmCall,
  x: TensorInfo,
  start: number,
  out: TensorInfo,
  axes: readonly WalkAxis[],
): void {
  if (util.sizeFromShape(out.shape) === 0) return;
  const joined = joinAxes(axes);
  let run = joined.at(-1) as WalkAxis;
  let outer = joined.slice(0, -1);
  if (run.b !== 1 || run.a > 1) {
    // the last axis kept is no run: every element is one
    outer = joined;
    run = { size: 1, a: 1, b: 1 };
  }
  const table = walkTable(call, outer);
  tensorKernels(call.backend).transposeWalk(
    call.address(x) + 4 * start,
    call.address(out),
    table,
    outer.length,
    run.a === 0 ? FILL : COPY,
    run.size,
    0,
    0,
  );
}

export function gather(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  const batchDims = (attrs.batchDims as number | undefined) ?? 0;
  if (!isWide(x) || indices.dtype !== 'int32' || batchDims !== 0) return undefined;
  const axis = util.parseAxisParam(attrs.axis as number, x.shape)[0] as number;
  const info = backend_util.segment_util.collectGatherOpShapeInfo(
    x as never,
    indices as never,
    axis,
    batchDims,
  );
  const out = call.output(info.outputShape, x.dtype);
  const count = util.sizeFromShape(indices.shape);
  if (util.sizeFromShape(out.shape) === 0) return out;
  const limit = x.shape[axis] as number;
  for (const index of call.ints(call.address(indices), count)) {
    util.assert(
      index >= 0 && index < limit,
      () => `GatherV2: the index value ${index} is not in [0, ${limit - 1}]`,
    );
  }
  const kernels = tensorKernels(call.backend);
  const [from, at, to] = [call.address(x), call.address(indices), call.address(out)];
  for (let outer = 0; outer < info.outerSize; outer++) {
    kernels.gatherRows(
      from + 4 * outer * limit * info.sliceSize,
      at,
      to + 4 * outer * count * info.sliceSize,
      limit,
      count,
      info.sliceSize,
    );
  }
  return out;
}
