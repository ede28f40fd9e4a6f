/** `Maximum`, `Minimum`, the comparisons, `Select`, and casts to int32 or to the same dtype. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  broadcast_util,
  Equal,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  Maximum,
  Minimum,
  NotEqual,
  util,
} from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { alias } from './alias.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments, Replacement } from './stock.ts';
import { broadcastStrides, joinAxes, walkTable } from './strides.ts';

/** The order is that of the constants in binary.as.ts. */
export const BINARY_KERNELS = [
  Maximum,
  Minimum,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  Equal,
  NotEqual,
] as const;

export function binary(kernelName: (typeof BINARY_KERNELS)[number]): Replacement {
  const kind = BINARY_KERNELS.indexOf(kernelName);
  const compares = kind >= 2;
  return (call, { inputs }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const floats = a.dtype === 'float32' && b.dtype === 'float32';
    const ints = a.dtype === 'int32' && b.dtype === 'int32' && compares;
    if (!floats && !ints) return undefined;
    const shape = broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const out = call.output(shape, compares ? 'bool' : 'float32');
    if (util.sizeFromShape(shape) === 0) return out;
    const [aStrides, bStrides] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
    const axes = joinAxes(
      shape.map((size, i) => ({ size, a: aStrides[i] as number, b: bStrides[i] as number })),
    );
    const outer = axes.slice(0, -1);
    const run = axes.at(-1) as (typeof axes)[number];
    const table = walkTable(call, outer);
    tensorKernels(call.backend).binary(
      kind,
      ints ? 1 : 0,
      call.address(a),
      call.address(b),
      call.address(out),
      table,
      outer.length,
      run.size,
      run.a,
      run.b,
    );
    return out;
  };
}

export function select(call: WasmCall, { inputs }: KernelArguments): TensorInfo | undefined {
  const { condition, t, e } = inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
  const wide = t.dtype === 'float32' || t.dtype === 'int32';
  if (!wide || t.dtype !== e.dtype || !util.arraysEqual(condition.shape, t.shape)) return undefined;
  const out = call.output(t.shape, t.dtype);
  tensorKernels(call.backend).select(
    call.address(condition),
    call.address(t),
    call.address(e),
    call.address(out),
    util.sizeFromShape(t.shape),
  );
  return out;
}

export function cast(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.x as TensorInfo;
  if (x.dtype === attrs.dtype) return alias(call, x, x.shape); // tfjs's gradients cast what is float32 already
  if (x.dtype !== 'float32' || attrs.dtype !== 'int32') return undefined;
  const out = call.output(x.shape, 'int32');
  tensorKernels(call.backend).floatToInt(call.address(x), call.address(out), util.sizeFromShape(x.shape));
  return out;
}
