/** The process of one run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Failure } from '../runs/job.ts';
import { logPath, readFailure } from '../runs/job.ts';

/** How to start this command line again. */
export interface Program {
  readonly file: string;
  readonly arguments: readonly string[];
}

/** The one that runs now. */
export function thisProgram(): Program {
  return { file: process.execPath, arguments: [...process.execArgv, process.argv[1]!] };
}

export type Ending =
  | { readonly kind: 'finished' }
  /** By a signal that it was given, after saving. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface RunningProcess {
  readonly child: ChildProcess;
  readonly ending: Promise<Ending>;
}

const INTERRUPTED_CODES = [130, 143];
const OUT_OF_MEMORY = /out of memory|Array buffer allocation failed|Cannot enlarge memory/i;

/**
 * `execute FOLDER` in a process group of its own, its output in the folder's run.log. The channel tells it when this
 * process dies, however it dies: it then saves and ends.
 */
export function startRun(program: Program, folder: string): RunningProcess {
  const log = openSync(logPath(folder), 'a');
  const child = spawn(program.file, [...program.arguments, 'execute', folder], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  closeSync(log);
  const ending = new Promise<Ending>(resolve => {
    child.on('error', error =>
      resolve({ kind: 'failed', failure: { code: 'WORKER_FAILED', message: error.message } }),
    );
    child.on('exit', (code, signal) => resolve(endingOf(folder, code, signal)));
  });
  return { child, ending };
}

function endingOf(folder: string, code: number | null, signal: NodeJS.Signals | null): Ending {
  if (code === 0) return { kind: 'finished' };
  if (INTERRUPTED_CODES.includes(code ?? -1) || signal === 'SIGTERM' || signal === 'SIGINT')
    return { kind: 'interrupted' };
  const told = readFailure(folder);
  if (told !== undefined && signal === null) return { kind: 'failed', failure: told };
  const tail = readFileSync(logPath(folder), 'utf8').slice(-4000);
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const memory = OUT_OF_MEMORY.test(tail) || signal === 'SIGKILL';
  const message = memory
    ? `its process ended by ${how}: memory ran out, or someone killed it.`
    : `its process ended by ${how}: ${tail.trim().split('\n').at(-1) ?? ''}`;
  return { kind: 'failed', failure: { code: memory ? 'OUT_OF_MEMORY' : 'WORKER_FAILED', message } };
}
