/** A task by the name that a suite or the command line gives it. */
import { existsSync } from 'node:fs';
import type { DataConfig } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import { FORMS, type FormName, loadTask, taskName } from './loaders.ts';
import { SHIPPED, type ShippedName, shippedTask } from './shipped.ts';
import type { Task } from './task.ts';

/** What a task is called by its results. `USAGE` for a name that is none. */
export function nameOfTask(asked: string): string {
  const found = parse(asked);
  return 'path' in found ? taskName(found.form, found.path) : found.shipped;
}

/** `USAGE` where two would have the same name, and so write over each other's results. */
export function checkTaskNames(asked: readonly string[]): void {
  const names = asked.map(nameOfTask);
  const twice = names.findIndex((name, i) => names.indexOf(name) < i);
  if (twice < 0) return;
  throw new SpectraError('USAGE', {
    message: `${asked[twice]} and another task are both called ${names[twice]}.`,
    where: '--tasks',
    fix: 'Give the files names of their own.',
  });
}

/** `FILE_MISSING` where a task's file is not there. */
export function checkTaskFiles(asked: readonly string[]): void {
  for (const name of asked) {
    const found = parse(name);
    if (!('path' in found) || existsSync(found.path)) continue;
    throw new SpectraError('FILE_MISSING', { message: 'there is no such task file.', where: found.path });
  }
}

/**
 * `cloze`, `code_completion`, `arithmetic`, `held_out`, or `FORM=FILE.jsonl` with FORM one of `FORMS`. `data` is what
 * the shipped ones are made of. `USAGE` for another name.
 */
export async function resolveTask(
  asked: string,
  data: DataConfig | undefined,
  limit?: number,
): Promise<Task> {
  const found = parse(asked);
  if ('path' in found) return loadTask(found.form, found.path, limit);
  if (data === undefined) {
    throw new SpectraError('USAGE', {
      message: `${asked} is made of a run's own held-out text, and the model belongs to no run.`,
      where: '--tasks',
      fix: 'Name a configuration with --config.',
    });
  }
  const task = await shippedTask(found.shipped, data);
  return limit === undefined ? task : ({ ...task, documents: task.documents.slice(0, limit) } as Task);
}

function parse(
  asked: string,
): { readonly form: FormName; readonly path: string } | { readonly shipped: ShippedName } {
  const [form, path] = [asked.slice(0, asked.indexOf('=')), asked.slice(asked.indexOf('=') + 1)];
  if (asked.includes('=') && form in FORMS) return { form: form as FormName, path };
  if (asked in SHIPPED) return { shipped: asked as ShippedName };
  throw new SpectraError('USAGE', {
    message: `there is no task ${asked}.`,
    where: '--tasks',
    fix: `Take ${Object.keys(SHIPPED).join(', ')}, or FORM=FILE.jsonl with FORM one of ${Object.keys(FORMS).join(', ')}.`,
  });
}
