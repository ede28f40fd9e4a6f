/** What the launchers start: one run in a process of its own. */
import { SpectraError } from '@spectra/tensor';
import { EXIT, exitCodeOf, exitCodeOfSignal, formatError, Interrupt, parseConfig } from '@spectra/trainer';
import { executeJob, failedRow } from '../runs/execute.ts';
import { lockFolder } from '../runs/folder-lock.ts';
import { readJob, writeFailure } from '../runs/job.ts';
import { writeRow } from '../runs/row.ts';
import { measureSpeed } from '../schedule/speed.ts';

/** How long a process waits for one before it that is still saving. */
const PATIENCE_MS = 120_000;

export async function executeCommand(folder: string): Promise<void> {
  const interrupt = new Interrupt(text => console.error(text));
  // a launcher that dies takes its channel along: save and end, so that nobody trains unseen
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel?.unref();
  const release = await lockFolder(folder, 'run.lock', PATIENCE_MS);
  const started = new Date().toISOString();
  const job = readJob(folder);
  try {
    const finished = await executeJob(job, folder, interrupt);
    process.exitCode = finished ? EXIT.ok : exitCodeOfSignal(interrupt.requested!);
  } catch (error) {
    console.error(formatError(error));
    const code = error instanceof SpectraError ? error.code : 'WORKER_FAILED';
    const message = error instanceof Error ? error.message : String(error);
    // it would diverge again: that is a result
    if (code === 'DIVERGED') writeRow(job.rows, failedRow(job.run, { code, message }, started));
    writeFailure(folder, { code, message });
    process.exitCode = exitCodeOf(error);
  } finally {
    release();
    interrupt.release();
  }
}

/** Prints the tokens per second of the configuration on standard input. */
export async function speedCommand(): Promise<void> {
  process.stdin.setEncoding('utf8');
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  console.log(await measureSpeed(parseConfig(text, [], 'standard input')));
}
