/** `Sum`, `Mean` and `Max` over any axes of float32 tensors. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { alias } from './alias.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments } from './stock.ts';

type Reduction = 'sum' | 'mean' | 'max';

/** The kernel function of a reduction; `axisName` is the attribute that holds the axes. */
export function reduction(kind: Reduction, axisName: 'axis' | 'reductionIndices') {
  return (call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined => {
    const x = inputs.x as TensorInfo;
    if (x.dtype !== 'float32') return undefined;
    return reduce(call, x, kind, attrs[axisName] as number | number[], attrs.keepDims === true);
  };
}

function reduce(
  call: WasmCall,
  x: TensorInfo,
  kind: Reduction,
  axis: number | number[],
  keepDims: boolean,
): TensorInfo {
  const axes = util.parseAxisParam(axis, x.shape);
  const [kept] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  const outShape = keepDims ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
  let groups = groupAxes(x.shape, axes);
  if (!groups.some(group => group.reduced)) return alias(call, x, outShape);
  const out = call.output(outShape);
  const kernels = tensorKernels(call.backend);
  const scale = kind === 'mean' ? util.sizeFromShape(outShape) / util.sizeFromShape(x.shape) : 1;
  let from = call.address(x);
  while (groups.length > 0) {
    const at = groups.findLastIndex(group => group.reduced);
    if (at < 0) break;
    const last = groups.filter(group => group.reduced).length === 1;
    const outer = product(groups.slice(0, at));
    const inner = product(groups.slice(at + 1));
    const count = groups[at]?.size as number;
    const to = last ? call.address(out) : call.scratch(4 * outer * inner);
    if (kind === 'max') kernels.maxAxis(from, to, outer, count, inner);
    else kernels.sumAxis(from, to, outer, count, inner, last ? scale : 1);
    from = to;
    groups = groups.filter((_, i) => i !== at);
  }
  return out;
}

interface Group {
  readonly size: number;
  readonly reduced: boolean;
}

/** Neighbouring axes that share a fate, as one; axes of size 1 left out. */
function groupAxes(shape: readonly number[], axes: readonly number[]): Group[] {
  const groups: Group[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const reduced = axes.includes(i);
    const before = groups.at(-1);
    if (before?.reduced === reduced) groups[groups.length - 1] = { size: before.size * size, reduced };
    else groups.push({ size, reduced });
  });
  return groups;
}

function product(groups: readonly Group[]): number {
  return groups.reduce((size, group) => size * group.size, 1);
}
