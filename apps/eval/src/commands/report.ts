/** Writes everything that the rows allow: page, Markdown, LaTeX, raw tables, figures, the harness's files. */
import { existsSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { makeFolder, writeAtomically } from '@spectra/trainer';
import { svgFiles } from '../figures/figure.ts';
import { harnessResults } from '../report/harness.ts';
import { htmlReport } from '../report/html.ts';
import { latexTables } from '../report/latex.ts';
import { markdownReport } from '../report/markdown.ts';
import { reportData } from '../report/report-data.ts';
import { answerTo } from '../runs/measures.ts';
import { Store } from '../schedule/store.ts';
import type { Plan } from '../suite/expand.ts';
import { allArms, rowsIn, tableResults } from '../tables/results.ts';
import { openPlan, rowsFolder, type SuiteOptions, storePath } from './open-suite.ts';

export async function reportCommand(path: string, options: SuiteOptions): Promise<void> {
  console.log(writeReport(await openPlan(path), options));
}

/** Returns the page's path. The same rows and failures give the same files. */
export function writeReport(asked: Plan, options: SuiteOptions): string {
  const plan = withFailures(asked, options);
  const folder = join(options.results, plan.suite.name);
  const rows = relative(folder, rowsFolder(options)).replaceAll('\\', '/');
  const data = reportData(plan, rowsIn(rowsFolder(options)));
  makeFolder(folder);
  const write = (name: string, text: string): void => writeAtomically(join(folder, name), text);
  write('report.html', htmlReport(data, rows));
  write('report.md', markdownReport(data, rows, 'figures'));
  write('tables.tex', latexTables(data.tables));
  write('tables.json', `${JSON.stringify(data.tables, null, 1)}\n`);
  // a report that was here may have been of other runs
  for (const part of ['figures', 'lm-eval']) rmSync(join(folder, part), { recursive: true, force: true });
  makeFolder(join(folder, 'figures'));
  for (const figure of data.figures) {
    for (const { name, text } of svgFiles(figure)) write(join('figures', name), text);
  }
  writeHarnessFiles(plan, options, folder);
  return join(folder, 'report.html');
}

/** The plan with the reasons of runs that failed here and are no rows, since they are tried again: memory, a missing file. */
function withFailures(plan: Plan, options: SuiteOptions): Plan {
  if (!existsSync(storePath(options))) return plan;
  const store = new Store(storePath(options));
  const failed = new Map(
    store
      .runs(plan)
      .flatMap(({ id, status, code, reason }) => (status === 'failed' ? [[id, `${code}: ${reason}`]] : [])),
  );
  store.close();
  const recorded = rowsIn(rowsFolder(options));
  const entries = plan.entries.map(entry => {
    const reason =
      entry.run === undefined || recorded(entry.run) !== undefined ? undefined : failed.get(entry.run);
    return reason === undefined ? entry : { ...entry, reason };
  });
  return { ...plan, entries };
}

/** A folder per model with its results, as the harness writes them; of the runs of T1 that have tasks. */
function writeHarnessFiles(plan: Plan, options: SuiteOptions, folder: string): void {
  const main = tableResults(plan, 'T1', rowsIn(rowsFolder(options)));
  for (const { arm, rows } of main === undefined ? [] : allArms(main)) {
    for (const row of rows) {
      const results = answerTo({ name: 'tasks', tasks: plan.suite.tasks }, row.measures?.tasks);
      if (results === undefined) continue;
      const model = `${arm}-seed${row.seed}`;
      const target = join(folder, 'lm-eval', model);
      makeFolder(target);
      const file = `results_${row.finished.replaceAll(':', '-')}.json`;
      const text = harnessResults({
        model,
        results,
        date: row.finished,
        device: row.environment.backend,
        seed: row.seed,
        extra: { spectra_run: row.id },
      });
      writeAtomically(join(target, file), `${JSON.stringify(text, null, 2)}\n`);
    }
  }
}
