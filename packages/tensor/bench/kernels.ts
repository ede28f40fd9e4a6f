/**
 * Our wasm kernels against the stock ones of tfjs's wasm backend, interleaved in one process, medians.
 *
 *     node --conditions=@spectra/source bench/kernels.ts [--quick] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setBackend, wasmKernelReport } from '@spectra/tensor';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { fusedCases } from './fused-cases.ts';
import { stockCases } from './stock-cases.ts';

/** One comparison: both sides make a tensor or several, which the bench disposes. */
export interface KernelCase {
  readonly name: string;
  readonly ours: () => tf.TensorContainer;
  readonly peer: string;
  readonly theirs: () => tf.TensorContainer;
  /** Floating-point operations of one run, where GFLOP/s say more than milliseconds. */
  readonly flops?: number;
}

export interface KernelRow {
  readonly case: string;
  readonly backend: 'wasm';
  readonly ours_ms: number;
  readonly peer: string;
  readonly peer_ms: number;
  /** peer_ms / ours_ms */
  readonly ratio: number;
  readonly ours_gflops?: number;
}

const quick = process.argv.includes('--quick');
const runs = quick ? 3 : 9;

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

/** Milliseconds of one call; short calls are repeated to fill a millisecond. */
function once(f: () => tf.TensorContainer, repeat: number): number {
  const start = performance.now();
  for (let i = 0; i < repeat; i++) tf.dispose(f());
  return (performance.now() - start) / repeat;
}

function repeats(f: () => tf.TensorContainer): number {
  once(f, 1);
  return Math.max(1, Math.min(200, Math.ceil(1 / once(f, 1))));
}

function measure(c: KernelCase): KernelRow {
  const [ourRepeat, peerRepeat] = [repeats(c.ours), repeats(c.theirs)];
  const [ours, peer]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    ours.push(once(c.ours, ourRepeat));
    peer.push(once(c.theirs, peerRepeat));
  }
  const [ours_ms, peer_ms] = [median(ours), median(peer)];
  const speed = c.flops === undefined ? {} : { ours_gflops: c.flops / ours_ms / 1e6 };
  return {
    case: c.name,
    backend: 'wasm',
    ours_ms,
    peer: c.peer,
    peer_ms,
    ratio: peer_ms / ours_ms,
    ...speed,
  };
}

await setBackend('wasm');
const backend = tf.backend() as unknown as BackendWasm;
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${JSON.stringify(wasmKernelReport())}`);
const rows: KernelRow[] = [];
for (const c of [...stockCases(backend, quick), ...fusedCases(quick)]) {
  const row = measure(c);
  rows.push(row);
  const speed = row.ours_gflops === undefined ? '' : `  ${row.ours_gflops.toFixed(1)} GFLOP/s`;
  const times = `${row.ours_ms.toFixed(3).padStart(9)} ms ${row.peer_ms.toFixed(3).padStart(9)} ms`;
  console.log(`${row.case.padEnd(44)} ${times} ${row.ratio.toFixed(2).padStart(8)}x  ${row.peer}${speed}`);
}
const at = process.argv.indexOf('--json');
if (at >= 0)
  writeFileSync(process.argv[at + 1]!, `${JSON.stringify({ report: wasmKernelReport(), rows }, null, 2)}\n`);
