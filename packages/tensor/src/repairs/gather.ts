/** Gathering with batch dimensions, and its gradient. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor, Tensor1D, TensorInfo } from '@tensorflow/tfjs-core';
import {
  add,
  mul,
  range,
  reshape,
  scalar,
  tidy,
  unsortedSegmentSum,
  util,
  zeros,
} from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';
import { filled, present, release, reshaped, single } from './run-kernel.ts';

interface GatherAttributes {
  readonly axis: number;
  readonly batchDims: number;
}

/** x as [batch, outer, size, slice], so that out[b, o, m] = x[b, o, index[b, m]]. */
interface Layout {
  readonly batch: number;
  readonly outer: number;
  readonly size: number;
  readonly slice: number;
  /** Indices per batch entry. */
  readonly count: number;
}

function layoutOf(x: readonly number[], indices: readonly number[], attrs: GatherAttributes): Layout {
  const axis = util.parseAxisParam(attrs.axis, [...x])[0] as number;
  const batchDims = attrs.batchDims ?? 0;
  const product = (shape: readonly number[]): number => util.sizeFromShape([...shape]);
  return {
    batch: product(x.slice(0, batchDims)),
    outer: product(x.slice(batchDims, axis)),
    size: x[axis] as number,
    slice: product(x.slice(axis + 1)),
    count: product(indices.slice(batchDims)),
  };
}

export const gatherBatchDims: Repair = {
  fault: 'A gather with batch dimensions returns wrong rows.',
  kernels: {
    wasm: {
      GatherV2: stock => call => {
        const { x, indices } = call.inputs as { x: TensorInfo; indices: TensorInfo };
        const attrs = call.attrs as unknown as GatherAttributes;
        const gather = present(stock, 'GatherV2');
        const out = [...x.shape];
        const axis = util.parseAxisParam(attrs.axis, x.shape)[0] as number;
        out.splice(axis, 1, ...indices.shape.slice(attrs.batchDims ?? 0));
        // the stock kernel forgets to release what it made for an empty x
        if (util.sizeFromShape(out) === 0) return filled(call.backend, out, x.dtype, 0);
        if (!attrs.batchDims) return gather(call);
        const { batch, outer, size, slice, count } = layoutOf(x.shape, indices.shape, attrs);
        const given = (call.backend as BackendWasm).readSync(indices.dataId) as Int32Array;
        const bad = given.find(index => index < 0 || index >= size);
        util.assert(bad === undefined, () => `GatherV2: the index value ${bad} is not in [0, ${size - 1}]`);
        const rows = new Int32Array(batch * outer * count);
        for (let r = 0, at = 0; r < batch * outer; r++) {
          const from = Math.floor(r / outer) * count;
          for (let m = 0; m < count; m++) rows[at++] = r * size + (given[from + m] as number);
        }
        const flat = reshaped('wasm', call.backend, x, [batch * outer * size, slice]);
        const flatIndices = filled(call.backend, [rows.length], 'int32', rows);
        const found = single(gather, {
          inputs: { x: flat, indices: flatIndices },
          attrs: { axis: 0, batchDims: 0 },
          backend: call.backend,
        });
        const result = reshaped('wasm', call.backend, found, out);
        release(call.backend, flat, flatIndices, found);
        return result;
      },
    },
  },
};

export const gatherGradient: Repair = {
  fault: 'The gradient of gather knows one batch dimension only and gives its indices an integer gradient.',
  gradients: {
    GatherV2: () => ({
      inputsToSave: ['x', 'indices'],
      gradFunc: (dy, saved, attrs) => {
        const [x, indices] = saved as [Tensor, Tensor];
        const layout = layoutOf(x.shape, indices.shape, attrs as unknown as GatherAttributes);
        return {
          x: () => tidy(() => scatterBack(dy as Tensor, x.shape, indices, layout)),
          indices: () => zeros(indices.shape),
        };
      },
    }),
  },
};

/** dx[b, o, i] = Σ over the m with index[b, m] = i of dy[b, o, m]. */
function scatterBack(dy: Tensor, shape: number[], indices: Tensor, layout: Layout): Tensor {
  const { batch, outer, size, slice, count } = layout;
  const rows = batch * outer;
  if (rows * size * slice === 0) return zeros(shape);
  let ids = reshape(indices, [batch, 1, count]);
  if (rows > 1) {
    const first = mul(range(0, rows, 1, 'int32'), scalar(size, 'int32'));
    ids = add(ids, reshape(first, [batch, outer, 1])) as typeof ids;
  }
  const flat = reshape(dy, [rows * count, slice]);
  return reshape(unsortedSegmentSum(flat, reshape(ids, [rows * count]) as Tensor1D, rows * size), shape);
}
