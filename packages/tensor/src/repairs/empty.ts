/** Reductions and products over nothing: they have a value, and the kernels never write it. */
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, broadcast_util, sumOutType, util } from '@tensorflow/tfjs-core';
import type { KernelWrap, Repair } from './repair.ts';
import { filled, present } from './run-kernel.ts';

/** What a reduction of an empty set is, and the dtype it has. */
interface Neutral {
  readonly value: (dtype: DataType) => number;
  readonly dtype: (dtype: DataType) => DataType;
}

const lowest = (dtype: DataType): number =>
  dtype === 'float32' ? -Infinity : dtype === 'int32' ? -(2 ** 31) : 0;
const highest = (dtype: DataType): number =>
  dtype === 'float32' ? Infinity : dtype === 'int32' ? 2 ** 31 - 1 : 1;
const same = (dtype: DataType): DataType => dtype;

function reductionWrap(kernelName: string, neutral: Neutral): KernelWrap {
  return stock => call => {
    const x = call.inputs.x as TensorInfo;
    const kernel = present(stock, kernelName);
    if (util.sizeFromShape(x.shape) > 0) return kernel(call);
    const attrs = call.attrs as unknown as {
      axis?: number | number[];
      reductionIndices?: number[];
      keepDims?: boolean;
    };
    const axes = util.parseAxisParam((attrs.reductionIndices ?? attrs.axis) as number[], x.shape);
    const [kept] = backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = attrs.keepDims === true ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
    return filled(call.backend, shape, neutral.dtype(x.dtype), neutral.value(x.dtype));
  };
}

const matMulWrap: KernelWrap = stock => call => {
  const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
  if (util.sizeFromShape(a.shape) > 0 && util.sizeFromShape(b.shape) > 0)
    return present(stock, 'BatchMatMul')(call);
  const { transposeA, transposeB } = call.attrs as unknown as { transposeA?: boolean; transposeB?: boolean };
  const batch = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const rows = a.shape.at(transposeA === true ? -1 : -2) as number;
  const columns = b.shape.at(transposeB === true ? -2 : -1) as number;
  return filled(call.backend, [...batch, rows, columns], a.dtype, 0);
};

const wraps: Readonly<Record<string, KernelWrap>> = {
  Sum: reductionWrap('Sum', { value: () => 0, dtype: sumOutType }),
  Mean: reductionWrap('Mean', { value: () => Number.NaN, dtype: () => 'float32' }),
  Prod: reductionWrap('Prod', { value: () => 1, dtype: sumOutType }),
  Max: reductionWrap('Max', { value: lowest, dtype: same }),
  Min: reductionWrap('Min', { value: highest, dtype: same }),
  All: reductionWrap('All', { value: () => 1, dtype: () => 'bool' }),
  Any: reductionWrap('Any', { value: () => 0, dtype: () => 'bool' }),
  BatchMatMul: matMulWrap,
};

export const emptyConcat: Repair = {
  fault: 'Concat of tensors without elements gives a plain array on cpu, which Slice cannot read.',
  kernels: {
    cpu: {
      Concat: stock => call => {
        const parts = Object.values(call.inputs) as TensorInfo[];
        if (parts.some(part => util.sizeFromShape(part.shape) > 0)) return present(stock, 'Concat')(call);
        const axis = util.parseAxisParam((call.attrs as { axis: number }).axis, parts[0]!.shape)[0]!;
        const shape = backend_util.computeOutShape(
          parts.map(part => part.shape),
          axis,
        );
        return filled(call.backend, shape, parts[0]!.dtype, 0);
      },
    },
  },
};

export const emptyReductions: Repair = {
  fault:
    'Reductions and matrix products over zero elements return uninitialised memory, on cpu wrong values.',
  kernels: { wasm: wraps, webgpu: wraps, cpu: wraps },
};
