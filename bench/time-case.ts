/** One case in time: all sides take turns. */
import { loadavg } from 'node:os';
import type { BenchCase, PeerName } from './cases.ts';
import { type Contestant, makeReady, type ReadySettings } from './contestants.ts';
import { PEER_LABELS } from './peers.ts';
import type { TimeRow } from './rows.ts';
import { median, spread } from './statistics.ts';
import { targetOf } from './targets.ts';

const RUNS = 15;
/** A side that takes so long for a run gets so many. */
const runsOf = (ms: number): number => (ms > 6000 ? 1 : ms > SLOW_MS ? 3 : ms > 300 ? 7 : RUNS);
/** A run above this is measured from the first on. */
const SLOW_MS = 2000;
/** Short runs are repeated to fill this time: the first ones find the caches full of another side's arrays. */
const LEAST_MS = 100;
/** Engines compile what has run often enough, in the background: decoding a token is at its speed after a second. */
const WARM_MS = 1000;

export interface TimeSettings extends ReadySettings {
  readonly machine: string;
  /** false: only agreement is checked. */
  readonly timed: boolean;
}

/** Rows of a case: every backend against every peer. @throws where ours fails or two sides do not agree. */
export async function timeCase(
  bench: BenchCase,
  backends: readonly string[],
  settings: TimeSettings,
): Promise<TimeRow[]> {
  const ready = await makeReady(bench, backends, settings);
  try {
    if (settings.timed) await takeTurns(ready.all);
    return backends.flatMap(backend => {
      const own = ready.ours(backend);
      const peers = bench.peers.length === 0 ? [undefined] : bench.peers;
      return peers.map(peer => rowOf(bench, backend, own, peer, peer && ready.peer(peer, backend), settings));
    });
  } finally {
    await ready.release();
  }
}

/** Every round each side runs once, so that what disturbs one disturbs all. */
async function takeTurns(contestants: readonly Contestant[]): Promise<void> {
  const plans = [];
  for (const contestant of contestants) {
    const first = await contestant.side.run(1);
    if (first > SLOW_MS) {
      contestant.times.push(first);
      plans.push({ contestant, repeat: 1, runs: runsOf(first) });
      continue;
    }
    await contestant.side.run(Math.max(2, Math.ceil(WARM_MS / first)));
    const warm = await contestant.side.run(1);
    const repeat = Math.max(1, Math.min(5000, Math.ceil(LEAST_MS / warm)));
    plans.push({ contestant, repeat, runs: runsOf(warm) });
  }
  for (let round = 0; round < RUNS; round++) {
    for (const { contestant, repeat, runs } of plans) {
      if (contestant.times.length < runs) contestant.times.push(await contestant.side.run(repeat));
    }
  }
}

function rowOf(
  bench: BenchCase,
  backend: string,
  { times }: Contestant,
  peer: PeerName | undefined,
  found: Contestant | string | undefined,
  { quick, machine, timed }: TimeSettings,
): TimeRow {
  const theirs = typeof found === 'object' ? found : undefined;
  const [oursMs, peerMs] = [times, theirs?.times ?? []].map(t => (t.length === 0 ? null : median(t)));
  const absent = typeof found === 'string' ? found : null;
  return {
    measure: 'time',
    case: bench.name,
    backend,
    quick,
    machine,
    load: loadavg()[0]!,
    ours_ms: oursMs!,
    spread: times.length === 0 ? null : spread(times),
    runs: times.length,
    peer: peer === undefined ? null : PEER_LABELS[peer],
    peer_version: theirs?.version ?? null,
    peer_ms: peerMs!,
    peer_spread: peerMs === null ? null : spread(theirs!.times),
    peer_runs: theirs?.times.length ?? 0,
    ratio: oursMs === null || peerMs === null ? null : peerMs! / oursMs!,
    target: (peer === undefined || quick ? undefined : targetOf(bench, peer, backend)) ?? null,
    tokens: (quick ? undefined : bench.tokens) ?? null,
    flops: (quick ? undefined : bench.flops) ?? null,
    note: absent ?? (timed ? null : 'equal; not timed on a software adapter'),
  };
}
