/** A task by the name that a suite or the command line gives it. */
import type { DataConfig } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import { FORMS, type FormName, loadTask } from './loaders.ts';
import { SHIPPED, type ShippedName, shippedTask } from './shipped.ts';
import type { Task } from './task.ts';

/**
 * `cloze`, `code_completion`, `arithmetic`, `held_out`, or `FORM=FILE.jsonl` with FORM one of `FORMS`. `data` is what
 * the shipped ones are made of. `USAGE` for another name.
 */
export async function resolveTask(name: string, data: DataConfig | undefined, limit?: number): Promise<Task> {
  const [form, path] = [name.slice(0, name.indexOf('=')), name.slice(name.indexOf('=') + 1)];
  if (name.includes('=') && form in FORMS) return loadTask(form as FormName, path, limit);
  if (!(name in SHIPPED)) {
    throw new SpectraError('USAGE', {
      message: `there is no task ${name}.`,
      where: '--tasks',
      fix: `Take ${Object.keys(SHIPPED).join(', ')}, or FORM=FILE.jsonl with FORM one of ${Object.keys(FORMS).join(', ')}.`,
    });
  }
  if (data === undefined) {
    throw new SpectraError('USAGE', {
      message: `${name} is made of a run's own held-out text, and the model belongs to no run.`,
      where: '--tasks',
      fix: 'Name a configuration with --config.',
    });
  }
  const task = await shippedTask(name as ShippedName, data);
  return limit === undefined ? task : ({ ...task, documents: task.documents.slice(0, limit) } as Task);
}
