/** What every benchmark shares: interleaved medians against a peer in the same run, `--only`, `--quick`, `--json`. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';

/** One comparison: both sides make a tensor or several, which the harness disposes. */
export interface BenchCase {
  readonly name: string;
  readonly ours: () => tf.TensorContainer;
  readonly peer: string;
  readonly theirs: () => tf.TensorContainer;
  /** Floating-point operations of one run, where GFLOP/s say more than milliseconds. */
  readonly flops?: number;
}

export interface BenchRow {
  readonly case: string;
  readonly backend: string;
  /** Medians. */
  readonly ours_ms: number;
  readonly peer: string;
  readonly peer_ms: number;
  /** peer_ms / ours_ms */
  readonly ratio: number;
  /** Slowest over fastest run of ours. */
  readonly spread: number;
  readonly ours_gflops?: number;
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
export const quick = values.quick;
const RUNS = quick ? 7 : 15;

/** Runs every case that `--only` names a part of, prints a row each and writes the rows where `--json` says. */
export function bench(cases: Iterable<BenchCase>): void {
  const rows: BenchRow[] = [];
  for (const c of cases) {
    if (values.only !== undefined && !c.name.includes(values.only)) continue;
    const row = measure(c);
    rows.push(row);
    const speed = row.ours_gflops === undefined ? '' : `  ${row.ours_gflops.toFixed(1)} GFLOP/s`;
    const times = `${row.ours_ms.toFixed(3).padStart(9)} ms ${row.peer_ms.toFixed(3).padStart(9)} ms`;
    console.log(`${row.case.padEnd(52)} ${times} ${row.ratio.toFixed(2).padStart(8)}x  ${row.peer}${speed}`);
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 1)}\n`);
}

/** The two sides take turns, so that what disturbs one disturbs the other. */
function measure(c: BenchCase): BenchRow {
  const [ourRepeat, peerRepeat] = [repeats(c.ours), repeats(c.theirs)];
  const [ours, peer]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run++) {
    ours.push(once(c.ours, ourRepeat));
    peer.push(once(c.theirs, peerRepeat));
  }
  const [oursMs, peerMs] = [median(ours), median(peer)];
  return {
    case: c.name,
    backend: tf.getBackend(),
    ours_ms: oursMs,
    peer: c.peer,
    peer_ms: peerMs,
    ratio: peerMs / oursMs,
    spread: Math.max(...ours) / Math.min(...ours),
    ...(c.flops === undefined ? {} : { ours_gflops: c.flops / oursMs / 1e6 }),
  };
}

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
