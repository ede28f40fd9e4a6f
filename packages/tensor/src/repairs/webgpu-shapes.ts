/** Shapes that kernels of the WebGPU backend refuse or get wrong. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import { runFlat } from '../kernels/webgpu/flat-program.ts';
import type { KernelWrap, Repair } from './repair.ts';
import { filled, present, release, reshaped, runKernel, single } from './run-kernel.ts';

interface ReductionAttributes {
  readonly axis?: number | number[];
  readonly reductionIndices?: number | number[];
  readonly keepDims?: boolean;
}

/** The stock kernels transpose by themselves, with the kernel that fails on integers. */
function transposedFirst(kernelName: string): KernelWrap {
  return stock => call => {
    const x = call.inputs.x as TensorInfo;
    const kernel = present(stock, kernelName);
    const attrs = call.attrs as unknown as ReductionAttributes;
    const rank = x.shape.length;
    const axes = util.parseAxisParam((attrs.reductionIndices ?? attrs.axis) as number[], x.shape);
    const perm = backend_util.getAxesPermutation(axes, rank);
    if (x.dtype === 'float32' || perm === null) return kernel(call);
    const moved = runKernel('Transpose', 'webgpu', call.backend, { x }, { perm });
    const inner = backend_util.getInnerMostAxes(axes.length, rank);
    const out = single(kernel, {
      inputs: { x: moved },
      attrs: {
        ...call.attrs,
        keepDims: false,
        [attrs.reductionIndices === undefined ? 'axis' : 'reductionIndices']: inner,
      },
      backend: call.backend,
    });
    release(call.backend, moved);
    if (attrs.keepDims !== true) return out;
    const kept = reshaped('webgpu', call.backend, out, backend_util.expandShapeToKeepDim(out.shape, axes));
    release(call.backend, out);
    return kept;
  };
}

export const intReductions: Repair = {
  fault: 'max, min, all, any and prod of int32 or bool fail along an axis that is not the last.',
  kernels: {
    webgpu: Object.fromEntries(
      ['Max', 'Min', 'All', 'Any', 'Prod'].map(name => [name, transposedFirst(name)]),
    ),
  },
};

/** One thread per output looks at its elements in order: of equal ones it keeps the first. */
function firstExtreme(sign: '>' | '<'): KernelWrap {
  return () => call => {
    const x = call.inputs.x as TensorInfo;
    const given = (call.attrs as unknown as { axis: number }).axis;
    const axis = util.parseAxisParam(given, x.shape)[0] as number;
    return runFlat(call.backend, {
      key: `first_${sign === '>' ? 'largest' : 'smallest'}`,
      shape: x.shape.filter((_, i) => i !== axis),
      dtype: 'int32',
      inputs: { x },
      uniforms: { count: [x.shape[axis]!], inner: [util.sizeFromShape(x.shape.slice(axis + 1))] },
      body: `
        let start = (index / uniforms.inner) * uniforms.count * uniforms.inner + index % uniforms.inner;
        var best = x[start];
        var position = 0;
        for (var i = 1; i < uniforms.count; i++) {
          let candidate = x[start + i * uniforms.inner];
          if (candidate ${sign} best) { best = candidate; position = i; }
        }
        result[index] = position;`,
    });
  };
}

export const firstArg: Repair = {
  fault: 'argMax and argMin give any of several equal elements, and of a vector a vector of one element.',
  kernels: { webgpu: { ArgMax: firstExtreme('>'), ArgMin: firstExtreme('<') } },
};

export const highRank: Repair = {
  fault: 'where and pad (the gradient of slice) do not compile at rank 5.',
  kernels: {
    webgpu: {
      Select: stock => call => {
        const { condition, t, e } = call.inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
        const kernel = present(stock, 'Select');
        if (t.shape.length <= 4 || condition.shape.length !== t.shape.length) return kernel(call);
        const flat = [condition, t, e].map(x =>
          reshaped('webgpu', call.backend, x, [util.sizeFromShape(x.shape)]),
        );
        const chosen = single(kernel, { ...call, inputs: { condition: flat[0]!, t: flat[1]!, e: flat[2]! } });
        const out = reshaped('webgpu', call.backend, chosen, t.shape);
        release(call.backend, ...flat, chosen);
        return out;
      },
      // one axis at a time, as the middle one of three
      PadV2: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const { paddings, constantValue } = call.attrs as unknown as {
          paddings: [number, number][];
          constantValue: number;
        };
        const kernel = present(stock, 'PadV2');
        if (x.shape.length <= 4 || util.sizeFromShape(x.shape) === 0) return kernel(call);
        let shape = [...x.shape];
        let y = reshaped('webgpu', call.backend, x, shape);
        const next = (made: TensorInfo): void => {
          release(call.backend, y);
          y = made;
        };
        paddings.forEach(([before, after], axis) => {
          if (before + after === 0) return;
          const sizes = [shape.slice(0, axis), [shape[axis]!], shape.slice(axis + 1)].map(s =>
            util.sizeFromShape(s),
          );
          next(reshaped('webgpu', call.backend, y, sizes));
          const around = [
            [0, 0],
            [before, after],
            [0, 0],
          ] as unknown as number[];
          next(
            single(kernel, {
              inputs: { x: y },
              attrs: { paddings: around, constantValue },
              backend: call.backend,
            }),
          );
          shape = shape.map((size, i) => (i === axis ? size + before + after : size));
        });
        next(reshaped('webgpu', call.backend, y, shape));
        return y;
      },
    },
  },
};

export const emptyTopK: Repair = {
  fault: 'topk of no rows fails.',
  kernels: {
    webgpu: {
      TopK: stock => call => {
        const x = call.inputs.x as TensorInfo;
        if (util.sizeFromShape(x.shape) > 0) return present(stock, 'TopK')(call);
        const shape = [...x.shape.slice(0, -1), (call.attrs as unknown as { k: number }).k];
        return [filled(call.backend, shape, x.dtype, 0), filled(call.backend, shape, 'int32', 0)];
      },
    },
  },
};
