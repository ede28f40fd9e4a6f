/** How each side is started: ours by backend, and the peers. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerName } from './cases.ts';
import { Side, type SideCommand } from './side.ts';

export const PEER_LABELS: Readonly<Record<PeerName, string>> = {
  torch: 'PyTorch eager',
  'torch-avx2': 'PyTorch eager, AVX2',
  compile: 'torch.compile',
  tfjs: 'stock tfjs',
  jax: 'jax-js',
  'one-worker': 'ours, one worker',
};

/** Kinds that the stock side composes of tfjs ops; the others are the packages' own references on stock kernels. */
const COMPOSED_KINDS = new Set([
  'op',
  'gemm',
  'sinkhorn',
  'rmsNorm',
  'swiglu',
  'crossEntropy',
  'rotary',
  'causalAttention',
  'gatherRows',
]);

const here = fileURLToPath(new URL('.', import.meta.url));

function node(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): SideCommand {
  const flags = ['--expose-gc', '--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'];
  return { program: process.execPath, args: [...flags, join(here, 'sides', file), ...args], env };
}

export function oursCommand(backend: string): SideCommand {
  return node('ours.ts', [backend]);
}

/** How to start a peer for a kind of case beside ours on `backend`; a string says why it cannot be. */
export function peerCommand(peer: PeerName, kind: string, backend: string): SideCommand | string {
  switch (peer) {
    case 'torch':
      return python('eager', backend);
    case 'torch-avx2':
      return backend === 'webgpu' ? 'a limit of the CPU' : python('eager', backend, AVX2);
    case 'compile':
      return python('compile', backend);
    case 'tfjs':
      return COMPOSED_KINDS.has(kind)
        ? node('tfjs.ts', [backend])
        : node('ours.ts', [backend], { SPECTRA_KERNELS: 'reference' });
    case 'jax':
      return backend === 'wasm' ? node('jax.ts', []) : 'jax-js runs on wasm only in Node';
    case 'one-worker':
      return oursCommand(backend);
  }
}

/** A peer that is ours on stock kernels: one run of it may take minutes, so it is compared in small. */
export function isSlowToAgree(peer: PeerName, kind: string): boolean {
  return peer === 'tfjs' && !COMPOSED_KINDS.has(kind);
}

/** Holds PyTorch's own kernels, oneDNN's and MKL's to AVX2. */
const AVX2 = { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', MKL_ENABLE_INSTRUCTIONS: 'AVX2' };

function python(
  mode: string,
  backend: string,
  limits: Readonly<Record<string, string>> = {},
): SideCommand | string {
  const interpreter = process.env.SPECTRA_PYTHON;
  if (interpreter === undefined || interpreter === '') {
    return 'no PyTorch: set SPECTRA_PYTHON, or make an environment by bench/peers/setup.sh PREFIX';
  }
  if (!existsSync(interpreter)) return `SPECTRA_PYTHON=${interpreter} does not exist`;
  return {
    program: interpreter,
    args: ['-B', join(here, 'peers', 'peer.py'), mode, backend === 'webgpu' ? 'gpu' : 'cpu'],
    env: {
      TORCHINDUCTOR_CACHE_DIR: join(tmpdir(), 'spectra-bench-inductor'),
      TORCHINDUCTOR_COMPILE_THREADS: '1',
      ...limits,
    },
  };
}

/** Sides by how they are started: each process serves many cases, one after another. */
export class SidePool {
  private readonly sides = new Map<string, Side>();

  get(command: SideCommand, role: string): Side {
    const key = JSON.stringify([role, command]);
    let side = this.sides.get(key);
    if (side === undefined) {
      side = new Side(command);
      this.sides.set(key, side);
    }
    return side;
  }

  /** Ends all; a later `get` starts anew. */
  async stop(): Promise<void> {
    const sides = [...this.sides.values()];
    this.sides.clear();
    await Promise.all(sides.map(side => side.stop()));
  }
}
