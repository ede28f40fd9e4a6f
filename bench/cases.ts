/** The cases: what runs, in which sizes, against whom, and the ratio peer/ours that is asked for. */
import type { Params } from './protocol.ts';
import { OPS } from './sides/kinds/ops.ts';

/**
 * `torch`: PyTorch eager; `torch-avx2`: the same with vectors of 256 bits at most, which is what WebAssembly has here;
 * `compile`: torch.compile; `tfjs`: its stock kernels; `jax`: jax-js; `one-worker`: ours, one thread.
 */
export type PeerName = 'torch' | 'torch-avx2' | 'compile' | 'tfjs' | 'jax' | 'one-worker';

export interface BenchCase {
  readonly name: string;
  readonly kind: string;
  readonly params: Params;
  /** Sizes that take milliseconds, for `--quick`. */
  readonly quick: Params;
  readonly peers: readonly PeerName[];
  /** Time of the peer over ours, at least. */
  readonly targets: Partial<Readonly<Record<PeerName, number>>>;
  /** Whether peak memory is measured, too. */
  readonly memory?: boolean;
  /** Tokens of one run, where tokens per second are the usual figure. */
  readonly tokens?: number;
  /** Floating-point operations of one run, where GFLOP/s are. */
  readonly flops?: number;
}

const ALL: readonly PeerName[] = ['torch', 'torch-avx2', 'compile', 'tfjs'];
const AS_PEERS = { recurrence: 'sequence', selection: 'top-k', iterations: 3 };
const AS_DEMO = { recurrence: 'grid', selection: 'quota', iterations: 3 };

const DEMO = { B: 8, S: 256, H: 128, I: 256, E: 8, D: 16, G: 32, k: 2 };
const MID = { B: 4, S: 256, H: 256, I: 512, E: 16, D: 32, G: 64, k: 2 };
const SMOLLM2 = { B: 2, S: 512, H: 576, I: 1536, E: 8, D: 32, G: 128, k: 2 };
const SMALL = { B: 2, S: 16, H: 16, I: 16, E: 4, D: 4, G: 8 };

const gemm = (order: 'NN' | 'NT' | 'TN', tfjs: number): BenchCase => ({
  name: `GEMM 1024³ ${order}`,
  kind: 'gemm',
  params: { m: 1024, k: 1024, n: 1024, transposeA: order[0] === 'T', transposeB: order[1] === 'T' },
  quick: { m: 64, k: 64, n: 64 },
  peers: ['torch', 'torch-avx2', 'tfjs', 'jax'],
  targets: { torch: 0.7, tfjs },
  flops: 2 * 1024 ** 3,
});

const sinkhorn = (N: number, E: number, iterations: number): BenchCase => ({
  name: `Sinkhorn ${N}×${E}, T=${iterations}`,
  kind: 'sinkhorn',
  params: { N, E, iterations, epsilon: 0.05 },
  quick: { N: 64, E: 8 },
  peers: [...ALL, 'jax'],
  targets: { torch: 8, tfjs: 10 },
  memory: true,
});

const gru = (name: string, { S, B, H, G }: typeof DEMO, torch: number): BenchCase => ({
  name: `GRU ${name}: S=${S} B=${B} H=${H} G=${G}`,
  kind: 'gru',
  params: { S, B, H, G, recurrence: 'sequence' },
  quick: SMALL,
  peers: ALL,
  targets: { torch, tfjs: 10 },
  memory: true,
});

const router = (name: string, size: typeof DEMO, torch: number): BenchCase => ({
  name: `router ${name}: S=${size.S} B=${size.B} H=${size.H} G=${size.G} E=${size.E} D=${size.D} k=${size.k}`,
  kind: 'router',
  params: { ...size, ...AS_PEERS },
  quick: SMALL,
  peers: ALL,
  targets: { torch, tfjs: 10 },
  memory: true,
});

const moeLayer = (name: string, size: typeof DEMO, torch: number): BenchCase => ({
  name: `MoE layer ${name}: B${size.B} S${size.S} H${size.H} I${size.I} E${size.E} k${size.k}`,
  kind: 'moe-layer',
  params: { ...size, ...AS_PEERS },
  quick: SMALL,
  peers: ALL,
  targets: { torch, tfjs: 8 },
  memory: true,
});

const { H, I, E, D, G, k } = DEMO;
const MODEL = { H, I, E, D, G, k, V: 256, heads: 4, layers: 4, length: 256 };
const STEP = { ...MODEL, ...AS_PEERS, batch: 8, microBatches: 1 };
const SMALL_STEP = { batch: 2, length: 32, layers: 1 };

const single = (name: string, kind: string, params: Params, quick: Params): BenchCase => ({
  name,
  kind,
  params,
  quick,
  peers: ['torch', 'tfjs'],
  targets: {},
});

export const CASES: readonly BenchCase[] = [
  gemm('NN', 2),
  gemm('NT', 100),
  gemm('TN', 100),
  sinkhorn(2048, 32, 3),
  sinkhorn(4096, 64, 5),
  sinkhorn(8192, 128, 8),
  sinkhorn(8192, 256, 20),
  gru('demo', DEMO, 5),
  gru('smollm2', SMOLLM2, 2),
  router('demo', DEMO, 4),
  router('smollm2', SMOLLM2, 1.5),
  {
    ...router('demo', DEMO, 0),
    name: 'router demo, grid and quota',
    params: { ...DEMO, ...AS_DEMO },
    peers: [],
    targets: {},
    memory: false,
  },
  moeLayer('demo', DEMO, 1.5),
  moeLayer('mid', MID, 1),
  moeLayer('smollm2', SMOLLM2, 0.9),
  {
    name: 'LM training step, demo model',
    kind: 'train-step',
    params: STEP,
    quick: SMALL_STEP,
    peers: ALL,
    targets: { torch: 1.5, tfjs: 8 },
    memory: true,
    tokens: 2048,
  },
  {
    name: 'LM training step, demo model, grid and quota',
    kind: 'train-step',
    params: { ...STEP, ...AS_DEMO },
    quick: SMALL_STEP,
    peers: [],
    targets: {},
    tokens: 2048,
  },
  {
    name: 'LM training step, demo.yaml on two workers',
    kind: 'train-step',
    params: { ...STEP, ...AS_DEMO, batch: 4, microBatches: 2, workers: 2 },
    quick: SMALL_STEP,
    peers: ['one-worker'],
    targets: { 'one-worker': 1.7 },
    tokens: 2048,
  },
  {
    name: 'decode one token, demo model',
    kind: 'decode',
    params: { ...STEP, context: 128 },
    quick: { ...SMALL_STEP, context: 8 },
    peers: ALL,
    targets: { torch: 3, tfjs: 5 },
    tokens: 1,
  },
  single('RMSNorm [2048,128]', 'rmsNorm', { N: 2048, H: 128 }, { N: 8 }),
  single('SwiGLU [2048,512]', 'swiglu', { N: 2048, I: 256 }, { N: 8 }),
  single('cross-entropy [2048,1024]', 'crossEntropy', { N: 2048, V: 1024 }, { N: 8 }),
  single('rotary [8,256,4,32]', 'rotary', { B: 8, S: 256, heads: 4, d: 32 }, { S: 8 }),
  single('causal attention [8,256,4,32]', 'causalAttention', { B: 8, S: 256, heads: 4, d: 32 }, { S: 8 }),
  single('gather 2048 of [1024,128]', 'gatherRows', { N: 2048, V: 1024, H: 128 }, { N: 8, V: 16 }),
  ...Object.keys(OPS).map(
    (op): BenchCase => ({
      name: `tfjs op: ${op}`,
      kind: 'op',
      params: { op },
      quick: {},
      peers: ['tfjs'],
      targets: {},
    }),
  ),
];

/** The parameters of a run: those of `quick` replace the others. */
export function paramsOf({ params, quick }: BenchCase, isQuick: boolean): Params {
  return isQuick ? { ...params, ...quick } : params;
}
