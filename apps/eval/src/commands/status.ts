import { formatTable } from '@spectra/monitor/node';
import { formatDuration } from '@spectra/trainer';
import { openSchedule, type SuiteOptions } from './open-suite.ts';

/** Every run of a suite with its state, and how many are in which. */
export async function statusCommand(
  path: string,
  options: SuiteOptions & { readonly json: boolean },
): Promise<void> {
  const schedule = await openSchedule(path, options);
  try {
    const runs = schedule.store.runs(schedule.plan);
    if (options.json) {
      console.log(JSON.stringify(runs, null, 1));
      return;
    }
    console.log(
      formatTable(
        ['run', 'what', 'status', 'tries', 'time', 'tokens/s', 'reason'],
        runs.map(run => [
          run.id,
          run.label,
          run.status,
          run.attempts,
          run.seconds === null ? null : formatDuration(run.seconds),
          run.tokens_per_second === null ? null : Math.round(run.tokens_per_second),
          run.code === null ? null : `${run.code}: ${run.reason}`,
        ]),
      ),
    );
    const counts = new Map<string, number>();
    for (const { status } of runs) counts.set(status, (counts.get(status) ?? 0) + 1);
    console.log(`\n${[...counts].map(([status, n]) => `${n} ${status}`).join(', ')}`);
  } finally {
    schedule.store.close();
  }
}
