/** Elementwise functions and `Softmax` for float32. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  Erf,
  Exp,
  Log,
  Reciprocal,
  Rsqrt,
  Sigmoid,
  Sign,
  Softplus,
  Sqrt,
  Tanh,
  util,
} from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments, Replacement } from './stock.ts';

/** The order is that of `apply` in unary.as.ts. */
export const UNARY_KERNELS = [Exp, Log, Sigmoid, Tanh, Softplus, Sqrt, Rsqrt, Reciprocal, Erf, Sign] as const;

export function unary(kernelName: (typeof UNARY_KERNELS)[number]): Replacement {
  const kind = UNARY_KERNELS.indexOf(kernelName);
  return (call, { inputs }) => {
    const x = inputs.x as TensorInfo;
    if (x.dtype !== 'float32') return undefined;
    const out = call.output(x.shape);
    tensorKernels(call.backend).unary(kind, call.address(x), call.address(out), util.sizeFromShape(x.shape));
    return out;
  };
}

export function softmax(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.logits as TensorInfo;
  if (x.dtype !== 'float32' || attrs.dim !== x.shape.length - 1) return undefined;
  const out = call.output(x.shape);
  const columns = x.shape.at(-1) as number;
  if (columns === 0) return out;
  tensorKernels(call.backend).softmaxRows(
    call.address(x),
    call.address(out),
    util.sizeFromShape(x.shape) / columns,
    columns,
  );
  return out;
}
