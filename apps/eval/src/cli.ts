#!/usr/bin/env node
/** `spectra-eval`: what a trained model does with a text. */
import { SpectraError } from '@spectra/tensor';
import { Command, CommanderError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };

const program = new Command('spectra-eval')
  .description('Evaluate SPECTRA models.')
  .version(packageJson.version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

program
  .command('trace <model>')
  .description('each token of a text with its experts per layer')
  .option('--text <text>', 'the text')
  .option('--file <file>', 'or a file that holds it')
  .option('--json', 'print JSON', false)
  .addOption(
    new Option('--backend <name>', 'TensorFlow.js backend')
      .choices(['auto', 'wasm', 'webgpu', 'tensorflow', 'cpu'])
      .default('auto'),
  )
  .action(async (model: string, options) =>
    (await import('./commands/trace.ts')).traceCommand(model, options),
  );

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  const known = error instanceof SpectraError;
  console.error(known ? `error ${error.code}: ${error.message}` : error);
  process.exit(known && error.code === 'USAGE' ? 2 : known && error.code === 'BACKEND_MISSING' ? 3 : 1);
}
