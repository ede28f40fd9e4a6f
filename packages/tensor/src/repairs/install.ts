/** Every repair of tfjs 4.22, and where it goes. */
import type { BackendName } from '../define-op.ts';
import { broadcastGradients } from './broadcast-gradients.ts';
import { scatterUpdateCopy } from './cpu-in-place.ts';
import { cumsumGradient, cumsumReverse } from './cumsum.ts';
import { emptyConcat, emptyReductions } from './empty.ts';
import { gatherBatchDims, gatherGradient } from './gather.ts';
import { intArithmetic } from './int-arithmetic.ts';
import { intTranspose } from './int-transpose.ts';
import { matMulBroadcast } from './matmul-broadcast.ts';
import { matMulGradient } from './matmul-gradient.ts';
import { missingGradients } from './missing-gradients.ts';
import { installRepair } from './patch.ts';
import type { Repair } from './repair.ts';
import { segmentSumWasm } from './segment-sum-wasm.ts';
import { orderedSegmentSum } from './segment-sum-webgpu.ts';
import { orderedMatMul } from './split-k.ts';
import { sumGradient } from './sum-gradient.ts';
import { tiedExtrema } from './tied-extrema.ts';
import { clipNaN, sharedIdentity, wasmBooleans } from './wasm-values.ts';
import { emptyTopK, firstArg, highRank, intReductions } from './webgpu-shapes.ts';
import { realCast, unaryEdges } from './webgpu-values.ts';

/** By name; a later one wraps an earlier one where they meet at a kernel. */
export const REPAIRS = {
  'cumsum-gradient': cumsumGradient,
  'cumsum-reverse': cumsumReverse,
  'real-cast': realCast,
  'unary-edges': unaryEdges,
  'int-transpose': intTranspose,
  'int-reductions': intReductions,
  'int-arithmetic': intArithmetic,
  'gather-batch-dims': gatherBatchDims,
  'gather-gradient': gatherGradient,
  'broadcast-gradients': broadcastGradients,
  'matmul-gradient': matMulGradient,
  'matmul-broadcast': matMulBroadcast,
  'missing-gradients': missingGradients,
  'sum-gradient': sumGradient,
  'segment-sum-wasm': segmentSumWasm,
  'ordered-segment-sum': orderedSegmentSum,
  'ordered-matmul': orderedMatMul,
  'empty-concat': emptyConcat,
  'empty-reductions': emptyReductions,
  'tied-extrema': tiedExtrema,
  'first-arg': firstArg,
  'high-rank': highRank,
  'empty-topk': emptyTopK,
  'shared-identity': sharedIdentity,
  'wasm-booleans': wasmBooleans,
  'clip-nan': clipNaN,
  'scatter-update-copy': scatterUpdateCopy,
} as const satisfies Readonly<Record<string, Repair>>;

export type RepairName = keyof typeof REPAIRS;

/** Puts in place what this backend needs; idempotent. Returns the names. */
export function installRepairs(backendName: BackendName): RepairName[] {
  const names = Object.keys(REPAIRS) as RepairName[];
  return names.filter(name => {
    const repair: Repair = REPAIRS[name];
    installRepair(name, repair, backendName);
    return repair.gradients !== undefined || repair.kernels?.[backendName] !== undefined;
  });
}
