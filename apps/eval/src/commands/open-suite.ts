/** What every command about a suite begins with. */
import { join } from 'node:path';
import { setBackend } from '@spectra/tensor';
import { thisProgram } from '../schedule/program.ts';
import { Schedule } from '../schedule/schedule.ts';
import { Store } from '../schedule/store.ts';
import { expandSuite, type Plan } from '../suite/expand.ts';
import { loadSuite } from '../suite/load.ts';

export interface SuiteOptions {
  /** Folder of run folders and the store. */
  readonly runs: string;
  /** Folder of rows and reports. */
  readonly results: string;
}

export const storePath = ({ runs }: SuiteOptions): string => join(runs, 'store.sqlite');
export const rowsFolder = ({ results }: SuiteOptions): string => join(results, 'runs');

/** Resolving widths and sizes builds small routers, for which the plain backend is enough. */
export async function openPlan(path: string): Promise<Plan> {
  await setBackend('cpu');
  return expandSuite(loadSuite(path));
}

export async function openSchedule(path: string, options: SuiteOptions): Promise<Schedule> {
  const plan = await openPlan(path);
  return new Schedule({
    plan,
    store: new Store(storePath(options)),
    runs: options.runs,
    rows: rowsFolder(options),
    program: thisProgram(),
    announce: text => console.error(text),
  });
}
