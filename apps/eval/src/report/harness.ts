/** Results in the layout of lm-evaluation-harness, so that its readers read them. */
import { HIGHER_IS_BETTER, type TaskResult } from '../tasks/task.ts';

export interface HarnessInput {
  /** What was evaluated: a folder or a run. */
  readonly model: string;
  readonly results: readonly TaskResult[];
  /** ISO time. */
  readonly date: string;
  readonly device: string;
  readonly seed: number;
  readonly limit?: number | undefined;
  /** Anything of our own; the harness ignores it. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

const FILTER = 'none';

export function harnessResults(input: HarnessInput): object {
  const { model, results, date, device, seed, limit = null, extra = {} } = input;
  const byTask = <T>(value: (result: TaskResult) => T): Record<string, T> =>
    Object.fromEntries(results.map(result => [result.task, value(result)]));
  return {
    results: byTask(({ task, metrics }) => ({
      alias: task,
      ...Object.fromEntries(
        Object.entries(metrics).flatMap(([name, { value, stderr }]) => [
          [`${name},${FILTER}`, value],
          [`${name}_stderr,${FILTER}`, stderr ?? 'N/A'],
        ]),
      ),
    })),
    group_subtasks: byTask(() => []),
    configs: byTask(({ task, kind, version, metrics }) => ({
      task,
      output_type: kind,
      num_fewshot: 0,
      metric_list: Object.keys(metrics).map(metric => ({
        metric,
        higher_is_better: HIGHER_IS_BETTER[metric],
      })),
      metadata: { version },
    })),
    versions: byTask(({ version }) => version),
    'n-shot': byTask(() => 0),
    higher_is_better: byTask(({ metrics }) =>
      Object.fromEntries(Object.keys(metrics).map(name => [name, HIGHER_IS_BETTER[name]])),
    ),
    'n-samples': byTask(({ documents }) => ({ original: documents, effective: documents })),
    config: {
      model: 'spectra',
      model_args: `pretrained=${model}`,
      batch_size: null,
      device,
      limit,
      random_seed: seed,
    },
    model_source: 'spectra',
    model_name: model,
    date: Date.parse(date) / 1000,
    ...extra,
  };
}
