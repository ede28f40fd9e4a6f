/**
 * One case in memory: the peak of a process's resident memory while it runs the case, over what the process held before
 * the case, library and small buffers warm. Linux counts it (`VmHWM`), the same way for every side, each in a process of
 * its own. It includes weights, optimizer moments, inputs, activations and gradients.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { writeArrays } from './arrays.ts';
import { type BenchCase, paramsOf } from './cases.ts';
import { inputsOf } from './inputs.ts';
import { oursCommand, PEER_LABELS, peerCommand } from './peers.ts';
import type { MemoryRow } from './rows.ts';
import { Side, type SideCommand } from './side.ts';

const RUNS = 3;

export const canMeasureMemory = (): boolean => existsSync('/proc/self/clear_refs');

export async function memoryCase(
  bench: BenchCase,
  backend: string,
  settings: { readonly folder: string; readonly quick: boolean; readonly machine: string },
): Promise<MemoryRow> {
  const command = peerCommand('torch', bench.kind, backend);
  let [peer, note]: [number | null, string | null] = [null, null];
  if (typeof command === 'string') note = command;
  else peer = await peerPeak(bench, command, settings);
  return {
    measure: 'memory',
    case: bench.name,
    backend,
    quick: settings.quick,
    machine: settings.machine,
    load: loadavg()[0]!,
    ours_mib: await peakMiB(bench, oursCommand(backend), settings),
    peer: PEER_LABELS.torch,
    peer_mib: peer,
    note,
  };
}

/** Peaks of peers by case and command: the same beside every backend. */
const peerPeaks = new Map<string, number>();

async function peerPeak(...[bench, command, settings]: Parameters<typeof peakMiB>): Promise<number> {
  const key = JSON.stringify([bench.name, command, settings.quick]);
  const found = peerPeaks.get(key) ?? (await peakMiB(bench, command, settings));
  peerPeaks.set(key, found);
  return found;
}

async function peakMiB(
  bench: BenchCase,
  command: SideCommand,
  { folder, quick }: { readonly folder: string; readonly quick: boolean },
): Promise<number> {
  const side = new Side(command);
  const prepare = async (isQuick: boolean): Promise<void> => {
    const params = paramsOf(bench, isQuick);
    const inputs = writeArrays(join(folder, 'memory.bin'), inputsOf(bench.kind, params));
    await side.ask({ op: 'prepare', kind: bench.kind, params, inputs, outputs: null });
    rmSync(inputs.path);
  };
  try {
    await prepare(true);
    await side.run(RUNS);
    await side.ask({ op: 'release' });
    await side.ask({ op: 'collect' });
    const before = kilobytes(side, 'VmRSS');
    await prepare(quick);
    await side.ask({ op: 'collect' });
    writeFileSync(`/proc/${side.pid}/clear_refs`, '5'); // the peak starts anew
    await side.run(RUNS);
    return (kilobytes(side, 'VmHWM') - before) / 1024;
  } finally {
    await side.stop();
  }
}

function kilobytes(side: Side, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${side.pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)![1]);
}
