/** Cumulative sums: their gradient, and the reversed ones on WebGPU. */
import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { cumsum, util } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';
import { present, release, reshaped, runKernel, single } from './run-kernel.ts';

interface CumsumAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

export const cumsumGradient: Repair = {
  fault: 'The gradient of cumsum comes out transposed when its axis is not the last.',
  gradients: {
    Cumsum: () => ({
      gradFunc: (dy, _saved, attrs) => {
        const { axis, exclusive, reverse } = attrs as unknown as CumsumAttributes;
        return { x: () => cumsum(dy as never, axis, exclusive, !reverse) };
      },
    }),
  },
};

export const cumsumReverse: Repair = {
  fault: 'A reversed cumsum reuses the shader of the first length it met, as the gradient of cumsum does.',
  kernels: {
    webgpu: {
      // [outer, n, inner] for every rank: the stock kernel takes up to 4 axes and transposes by itself
      Cumsum: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const { exclusive, reverse, axis: given } = call.attrs as unknown as CumsumAttributes;
        const axis = util.parseAxisParam(given, x.shape)[0] as number;
        const [outer, inner] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)].map(s =>
          util.sizeFromShape(s),
        );
        const n = x.shape[axis] as number;
        if (outer! * inner! * n === 0) return runKernel('Identity', 'webgpu', call.backend, { x });
        const run = (name: string, from: TensorInfo, attrs: NamedAttrMap): TensorInfo => {
          const out =
            name === 'Cumsum'
              ? single(present(stock, name), { inputs: { x: from }, attrs, backend: call.backend })
              : runKernel(name, 'webgpu', call.backend, { x: from }, attrs);
          release(call.backend, from);
          return out;
        };
        let y = reshaped('webgpu', call.backend, x, [outer!, n, inner!]);
        if (inner! > 1) y = run('Transpose', y, { perm: [0, 2, 1] });
        y = run('Reshape', y, { shape: [outer! * inner!, n] });
        if (reverse) y = run('Reverse', y, { dims: [1] });
        y = run('Cumsum', y, { axis: 1, exclusive, reverse: false });
        if (reverse) y = run('Reverse', y, { dims: [1] });
        if (inner! > 1) {
          y = run('Reshape', y, { shape: [outer!, inner!, n] });
          y = run('Transpose', y, { perm: [0, 2, 1] });
        }
        return run('Reshape', y, { shape: x.shape });
      },
    },
  },
};
