/** int32 arithmetic and comparisons on WebGPU, which the stock kernels do in float32. */
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import { runFlat } from '../kernels/webgpu/flat-program.ts';
import type { KernelWrap, Repair } from './repair.ts';
import { present, release, reshaped } from './run-kernel.ts';

/** The result for elements `p` of a and `q` of b; 0 or 1 for a bool. */
const BINARY: Readonly<Record<string, { readonly result: string; readonly dtype: DataType }>> = {
  Add: { result: 'p + q', dtype: 'int32' },
  Sub: { result: 'p - q', dtype: 'int32' },
  Multiply: { result: 'p * q', dtype: 'int32' },
  SquaredDifference: { result: '(p - q) * (p - q)', dtype: 'int32' },
  Maximum: { result: 'max(p, q)', dtype: 'int32' },
  Minimum: { result: 'min(p, q)', dtype: 'int32' },
  // WGSL rounds towards 0; x / 0 is 0 as on the other backends' integers
  FloorDiv: { result: 'select((p - ((p % q) + q) % q) / q, 0, q == 0)', dtype: 'int32' },
  Mod: { result: 'select(((p % q) + q) % q, 0, q == 0)', dtype: 'int32' },
  Equal: { result: 'i32(p == q)', dtype: 'bool' },
  NotEqual: { result: 'i32(p != q)', dtype: 'bool' },
  Less: { result: 'i32(p < q)', dtype: 'bool' },
  LessEqual: { result: 'i32(p <= q)', dtype: 'bool' },
  Greater: { result: 'i32(p > q)', dtype: 'bool' },
  GreaterEqual: { result: 'i32(p >= q)', dtype: 'bool' },
};

/** Axes that a broadcast of any sensible shapes has left when neighbours of one kind are joined. */
const MOST_AXES = 4;

function binaryWrap(kernelName: string): KernelWrap {
  const { result, dtype } = BINARY[kernelName]!;
  return stock => call => {
    const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const axes = joinedAxes(a.shape, b.shape, shape);
    const integers = a.dtype === 'int32' && b.dtype === 'int32';
    if (!integers || axes.length > MOST_AXES || util.sizeFromShape(shape) === 0)
      return present(stock, kernelName)(call);
    const [flatA, flatB] = [a, b].map(x =>
      reshaped('webgpu', call.backend, x, [util.sizeFromShape(x.shape)]),
    );
    const uniforms: Record<string, number[]> = {};
    const steps = axes.map(({ size, stepA, stepB }, i) => {
      uniforms[`axis${i}`] = [size, stepA, stepB];
      return (
        `{ let at = rest % uniforms.axis${i}.x; rest /= uniforms.axis${i}.x; ` +
        `i += at * uniforms.axis${i}.y; j += at * uniforms.axis${i}.z; }`
      );
    });
    const out = runFlat(call.backend, {
      key: `int_${kernelName}_${axes.length}`,
      shape,
      dtype,
      inputs: { a: flatA!, b: flatB! },
      uniforms,
      body:
        `var rest = index; var i = 0; var j = 0; ${steps.reverse().join(' ')} ` +
        `let p = a[i]; let q = b[j]; result[index] = ${result};`,
    });
    release(call.backend, flatA!, flatB!);
    return out;
  };
}

interface Axis {
  size: number;
  /** How far one step along it goes in a and in b; 0 where broadcast. */
  readonly stepA: number;
  readonly stepB: number;
}

function joinedAxes(a: readonly number[], b: readonly number[], shape: readonly number[]): Axis[] {
  const axes: Axis[] = [];
  let [strideA, strideB] = [1, 1];
  for (let i = 1; i <= shape.length; i++) {
    const size = shape[shape.length - i] as number;
    const [sizeA, sizeB] = [a[a.length - i] ?? 1, b[b.length - i] ?? 1];
    const axis = { size, stepA: sizeA === 1 ? 0 : strideA, stepB: sizeB === 1 ? 0 : strideB };
    const inner = axes[0];
    strideA *= sizeA;
    strideB *= sizeB;
    if (size === 1) continue;
    const joins =
      inner !== undefined &&
      axis.stepA === inner.stepA * inner.size &&
      axis.stepB === inner.stepB * inner.size;
    if (joins) inner.size *= size;
    else axes.unshift(axis);
  }
  return axes;
}

/** One thread per output adds its row: integers are few. */
const sumWrap: KernelWrap = stock => call => {
  const x = call.inputs.x as TensorInfo;
  const attrs = call.attrs as unknown as { axis: number[]; keepDims?: boolean };
  const axes = util.parseAxisParam(attrs.axis, x.shape);
  if (x.dtype !== 'int32' || util.sizeFromShape(x.shape) === 0) return present(stock, 'Sum')(call);
  const [kept, reduced] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  const shape = attrs.keepDims === true ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
  const strides = [...util.computeStrides(x.shape), 1];
  const uniforms: Record<string, number[]> = { count: [util.sizeFromShape(reduced)] };
  const walk = (own: readonly number[], from: string): string =>
    own
      .map(axis => {
        uniforms[`axis${axis}`] = [x.shape[axis] as number, strides[axis] as number];
        return `at += (${from} % uniforms.axis${axis}.x) * uniforms.axis${axis}.y; ${from} /= uniforms.axis${axis}.x;`;
      })
      .reverse()
      .join(' ');
  const outer = x.shape.map((_, i) => i).filter(i => !axes.includes(i));
  const body = `
    var rest = index; var at = 0; ${walk(outer, 'rest')}
    let start = at;
    var sum = 0;
    for (var k = 0; k < uniforms.count; k++) {
      var left = k; at = start; ${walk(axes, 'left')}
      sum += x[at];
    }
    result[index] = sum;`;
  return runFlat(call.backend, {
    key: `int_sum_${outer.join('_')}_of_${x.shape.length}`,
    shape,
    dtype: 'int32',
    inputs: { x },
    uniforms,
    body,
  });
};

export const intArithmetic: Repair = {
  fault: 'int32 sums, products and comparisons are done in float32: wrong above 2^24.',
  kernels: {
    webgpu: {
      ...Object.fromEntries(Object.keys(BINARY).map(name => [name, binaryWrap(name)])),
      Sum: sumWrap,
    },
  },
};
