import { join } from 'node:path';
import { formatTable } from '@spectra/monitor/node';
import type { BackendName } from '@spectra/tensor';
import { loadConfig, makeFolder, writeAtomically } from '@spectra/trainer';
import { harnessResults } from '../report/harness.ts';
import { evaluateTask } from '../tasks/evaluate-task.ts';
import { checkTaskNames, resolveTask } from '../tasks/registry.ts';
import type { Task, TaskResult } from '../tasks/task.ts';
import { openModel } from './model.ts';

interface TasksOptions {
  readonly tasks: string;
  readonly config?: string;
  readonly limit?: number;
  readonly out?: string;
  readonly backend: BackendName | 'auto';
  readonly json: boolean;
}

/** Answers tasks, writes results and samples as lm-evaluation-harness does, prints value ± standard error. */
export async function tasksCommand(path: string, options: TasksOptions): Promise<void> {
  const asked = options.tasks.split(',').map(name => name.trim());
  checkTaskNames(asked);
  const { model, tokenizer, path: found, device } = await openModel(path, options.backend);
  try {
    const data = options.config === undefined ? found.run?.config.data : loadConfig(options.config).data;
    const date = new Date().toISOString();
    const stamp = date.replaceAll(':', '-');
    const out = options.out ?? found.run?.folder.path ?? '.';
    makeFolder(out);
    // all of them before the first is answered: a name that is wrong costs no evaluation
    const tasks: Task[] = [];
    for (const name of asked) tasks.push(await resolveTask(name, data, options.limit));
    const results: TaskResult[] = [];
    for (const task of tasks) {
      const { result, samples } = await evaluateTask(model, tokenizer, task);
      results.push(result);
      const lines = samples.map(sample => `${JSON.stringify(sample)}\n`).join('');
      writeAtomically(join(out, `samples_${task.name}_${stamp}.jsonl`), lines);
    }
    const seed = found.run?.config.seed ?? 0;
    const file = join(out, `results_${stamp}.json`);
    const report = harnessResults({ model: path, results, date, device, seed, limit: options.limit });
    writeAtomically(file, `${JSON.stringify(report, null, 2)}\n`);
    if (options.json) console.log(JSON.stringify(report, null, 2));
    else console.log(taskTable(results));
    console.error(`wrote ${file}`);
  } finally {
    model.dispose();
  }
}

function taskTable(results: readonly TaskResult[]): string {
  return formatTable(
    ['task', 'version', 'n', 'metric', 'value', '±', 'stderr'],
    results.flatMap(({ task, version, documents, metrics }) =>
      Object.entries(metrics).map(([metric, { value, stderr }]) => [
        task,
        version,
        documents,
        metric,
        value.toFixed(4),
        '±',
        stderr === null ? 'N/A' : stderr.toFixed(4),
      ]),
    ),
  );
}
