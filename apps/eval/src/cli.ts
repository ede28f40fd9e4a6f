#!/usr/bin/env node
/** `spectra-eval`: the command line. Each command is a file of `commands/`. */
import { availableParallelism } from 'node:os';
import { EXIT, exitCodeOf, formatError, outlivePipes } from '@spectra/trainer';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };

const program = new Command('spectra-eval')
  .description('Fill the tables of a suite of experiments; evaluate and trace SPECTRA models.')
  .version(packageJson.version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

const collect = (value: string, before: string[]): string[] => [...before, value];
const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return value;
};
const backend = () =>
  new Option('--backend <name>', 'TensorFlow.js backend')
    .choices(['auto', 'wasm', 'webgpu', 'tensorflow', 'cpu'])
    .default('auto');
/** Where a suite's things are. */
const suite = (name: string): Command =>
  program
    .command(`${name} <suite>`)
    .option('--runs <folder>', 'run folders and the store', 'runs/eval')
    .option('--results <folder>', 'rows of finished runs, and reports', 'docs/results');

for (const [name, what] of [
  ['run', 'make what is left of a suite, then its report'],
  ['resume', 'go on with a suite that was begun here'],
] as const) {
  suite(name)
    .description(what)
    .option('--jobs <n>', 'runs at a time', positive, Math.min(2, availableParallelism()))
    .addOption(
      new Option('--launcher <name>', 'processes here, or an array job of Slurm')
        .choices(['local', 'slurm'])
        .default('local'),
    )
    .option('--slurm-option <text>', 'a further #SBATCH line, e.g. "--gpus=1" (repeatable)', collect, [])
    .option('--commit', 'commit each row to git as soon as its run has ended', false)
    .option('--dry-run', 'print the plan with its time, train nothing', false)
    .action(async (path: string, options) => {
      const { runCommand, resumeCommand } = await import('./commands/run.ts');
      await (name === 'run' ? runCommand : resumeCommand)(path, options);
    });
}

suite('status')
  .description('every run of a suite with its state')
  .option('--json', 'print JSON', false)
  .action(async (path: string, options) =>
    (await import('./commands/status.ts')).statusCommand(path, options),
  );

suite('report')
  .description('tables, tests and figures from the rows that are there')
  .action(async (path: string, options) =>
    (await import('./commands/report.ts')).reportCommand(path, options),
  );

program
  .command('tasks <model>')
  .description('downstream tasks on a run, checkpoint or model folder')
  .requiredOption('--tasks <names>', 'separated by commas: cloze, arithmetic, FORM=FILE.jsonl, …')
  .option('--config <file>', "data that the shipped tasks are made of; by default the run's own")
  .option('--limit <n>', 'at most so many documents of each task', positive)
  .option('--out <folder>', 'where results_<time>.json and the samples go; by default the run folder')
  .addOption(backend())
  .option('--json', 'print the results as JSON', false)
  .action(async (model: string, options) =>
    (await import('./commands/tasks.ts')).tasksCommand(model, options),
  );

program
  .command('trace <model>')
  .description('each token of a text with its experts per layer')
  .option('--text <text>', 'the text')
  .option('--file <file>', 'or a file that holds it')
  .option('--json', 'print JSON', false)
  .option('--html <file>', 'write a page in place of printing')
  .addOption(backend())
  .action(async (model: string, options) =>
    (await import('./commands/trace.ts')).traceCommand(model, options),
  );

program
  .command('execute <folder>', { hidden: true })
  .action(async (folder: string) => (await import('./commands/execute.ts')).executeCommand(folder));
program
  .command('speed', { hidden: true })
  .action(async () => (await import('./commands/execute.ts')).speedCommand());

outlivePipes();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  console.error(formatError(error));
  process.exit(exitCodeOf(error));
}
