/** Fused matrix products with a long inner axis on WebGPU; the plain ones are our own (`kernels/webgpu/gemm.ts`). */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { env, util } from '@tensorflow/tfjs-core';
import type { KernelWrap, Repair } from './repair.ts';
import { present } from './run-kernel.ts';

const FLAG = 'WEBGPU_MATMUL_PROGRAM_TYPE';
/** tfjs's `MatMulProgramType`: the program for few workgroups that keeps each sum in one thread. */
const SMALL_OUTPUT = 2;
/** From this inner size on tfjs splits it, and sums the parts with float atomics. */
const SPLIT_FROM = 2000;
/** Up to this output size it takes its reduction program, which is in order. */
const REDUCE_TO = 128;

const inOrder: KernelWrap = stock => call => {
  const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
  const { transposeA, transposeB } = call.attrs as unknown as {
    transposeA?: boolean;
    transposeB?: boolean;
  };
  const kernel = present(stock, '_FusedMatMul');
  const inner = a.shape.at(transposeA === true ? -2 : -1) as number;
  const rows = a.shape.at(transposeA === true ? -1 : -2) as number;
  const columns = b.shape.at(transposeB === true ? -2 : -1) as number;
  const batch = Math.max(...[a, b].map(({ shape }) => util.sizeFromShape(shape.slice(0, -2))));
  const splits = batch === 1 && inner >= SPLIT_FROM && rows * columns > REDUCE_TO;
  if (!splits || !fewWorkgroups(call.backend as WebGPUBackend, rows, columns)) return kernel(call);
  const before = env().getNumber(FLAG);
  env().set(FLAG, before < 0 ? SMALL_OUTPUT : before);
  try {
    return kernel(call);
  } finally {
    env().set(FLAG, before);
  }
};

/** tfjs's own condition for splitting. */
function fewWorkgroups(backend: WebGPUBackend, rows: number, columns: number): boolean {
  const flag = env().getNumber('WEBGPU_THRESHOLD_TO_INCREASE_WORKGROUPS_FOR_MATMUL');
  const own = (backend as unknown as { thresholdToIncreaseWorkgroups: number }).thresholdToIncreaseWorkgroups;
  const threshold = flag > 0 ? flag : own;
  const groups = Math.ceil(rows / 32) * Math.ceil(columns / 32);
  return groups <= threshold || (rows <= 8 && groups <= 2 * threshold);
}

export const orderedMatMul: Repair = {
  fault:
    'A fused matrix product with an inner size of 2000 or more adds with float atomics: two runs differ.',
  kernels: {
    webgpu: { _FusedMatMul: inOrder },
  },
};
