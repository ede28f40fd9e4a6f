/** What is asked of a ratio. */
import type { BenchCase, PeerName } from './cases.ts';
import { PEER_LABELS } from './peers.ts';
import type { Row, TimeRow } from './rows.ts';

/** Kinds whose kernels are made for a GPU, too. */
const GPU_KINDS = new Set(['sinkhorn', 'gru', 'router']);

/** Time of the peer over ours, at least; undefined where nothing is asked. */
export function targetOf(bench: BenchCase, peer: PeerName, backend: string): number | undefined {
  if (backend === 'wasm') return bench.targets[peer];
  if (backend !== 'webgpu') return undefined;
  if (peer === 'tfjs') return bench.targets.tfjs === undefined ? undefined : 3;
  return peer === 'torch' && GPU_KINDS.has(bench.kind) ? 1 : undefined;
}

/**
 * A layer that is nearly all matrix products cannot beat a peer by more than the products do: at the smollm2 sizes the
 * target is 1.1 × our GEMM's ratio to PyTorch's, where that is less. The mean of NN, NT and TN: forward and backward
 * passes use all three.
 */
export function applyTargets(rows: readonly TimeRow[], all: readonly Row[]): TimeRow[] {
  return rows.map(row => {
    if (row.target === null || row.peer !== PEER_LABELS.torch || !row.case.startsWith('MoE layer smollm2')) {
      return row;
    }
    const ratios = all.flatMap(other =>
      other.measure === 'time' &&
      other.case.startsWith('GEMM') &&
      other.backend === row.backend &&
      other.quick === row.quick &&
      other.peer === row.peer &&
      other.ratio !== null
        ? [other.ratio]
        : [],
    );
    if (ratios.length === 0) return row;
    const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
    return { ...row, target: Math.min(row.target, 1.1 * mean) };
  });
}
