/** Matrix products that broadcast batch axes on both sides. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { broadcast_util, util } from '@tensorflow/tfjs-core';
import type { KernelWrap, Repair } from './repair.ts';
import { present, release, reshaped, runKernel, single } from './run-kernel.ts';

const wrap: KernelWrap = (stock, backendName) => call => {
  const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
  const kernel = present(stock, 'BatchMatMul');
  if (a.shape.length === 2 && b.shape.length === 2) return kernel(call);
  const [batchA, batchB] = [a, b].map(({ shape }) => shape.slice(0, -2)) as [number[], number[]];
  const batch = broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const size = util.sizeFromShape(batch);
  // one side whole and the other whole or single is what the stock kernels can do
  const whole = (own: number[]): boolean => util.sizeFromShape(own) === size;
  const one = (own: number[]): boolean => util.sizeFromShape(own) === 1;
  if ((whole(batchA) || one(batchA)) && (whole(batchB) || one(batchB)) && (whole(batchA) || whole(batchB))) {
    return kernel(call);
  }
  const stretched = (x: TensorInfo, own: number[]): TensorInfo => {
    const padded = [...batch.map(() => 1).slice(own.length), ...own];
    const wide = reshaped(backendName, call.backend, x, [...padded, ...x.shape.slice(-2)]);
    const reps = [...batch.map((n, i) => n / padded[i]!), 1, 1];
    const out = runKernel('Tile', backendName, call.backend, { x: wide }, { reps });
    release(call.backend, wide);
    return out;
  };
  const inputs = { a: stretched(a, batchA), b: stretched(b, batchB) };
  const out = single(kernel, {
    inputs,
    backend: call.backend,
    ...(call.attrs === undefined ? {} : { attrs: call.attrs }),
  });
  release(call.backend, inputs.a, inputs.b);
  return out;
};

export const matMulBroadcast: Repair = {
  fault:
    'A matrix product with batch axes broadcast on both sides is wrong on cpu and wasm and fails on webgpu.',
  // our own kernel on wasm needs none of it, the stock one behind SPECTRA_KERNELS=reference does
  kernels: { cpu: { BatchMatMul: wrap }, wasm: { BatchMatMul: wrap }, webgpu: { BatchMatMul: wrap } },
};
