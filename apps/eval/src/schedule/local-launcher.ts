/** Runs of a plan on this machine, n processes at a time. */
import { runFolder, writeJob } from '../runs/job.ts';
import type { PlannedRun } from '../suite/expand.ts';
import { startRun } from './program.ts';
import type { Schedule } from './schedule.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM';

/**
 * Starts what is left to do, in the plan's order; timings one by one at the end. `ended` hears of every run that was
 * started, however it ended. Returns the signal that ended it all.
 */
export async function launchLocally(
  schedule: Schedule,
  jobs: number,
  ended: (run: PlannedRun) => void = () => undefined,
): Promise<StopSignal | undefined> {
  const running = new Set<number>();
  let stopped: StopSignal | undefined;
  let aborted = false;
  const stop = (signal: StopSignal) => (): void => {
    aborted = stopped !== undefined;
    if (!aborted) schedule.announce('Stopping after the steps under way are saved; again to abort.');
    for (const pid of running) signalGroup(pid, aborted ? 'SIGKILL' : 'SIGTERM');
    stopped ??= signal;
  };
  const handlers = (['SIGINT', 'SIGTERM'] as const).map(signal => [signal, stop(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    const work = async (queue: PlannedRun[]): Promise<void> => {
      while (stopped === undefined) {
        const run = queue.shift();
        if (run === undefined) return;
        await oneRun(schedule, run, running, () => aborted);
        ended(run);
      }
    };
    const left = schedule.left();
    const trained = left.filter(run => run.kind === 'train');
    await Promise.all(Array.from({ length: jobs }, () => work(trained)));
    await work(left.filter(run => run.kind === 'timing'));
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
  return stopped;
}

async function oneRun(
  schedule: Schedule,
  run: PlannedRun,
  running: Set<number>,
  aborted: () => boolean,
): Promise<void> {
  const folder = runFolder(schedule.runs, run.id);
  writeJob(folder, { run, rows: schedule.rows });
  schedule.started(run);
  const { child, ending } = startRun(schedule.program, folder);
  if (child.pid !== undefined) running.add(child.pid);
  const ended = await ending;
  if (child.pid !== undefined) running.delete(child.pid);
  // killed by the user's second word: it goes on from its last checkpoint
  schedule.ended(run, aborted() ? { kind: 'interrupted' } : ended);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // it has just ended
  }
}
