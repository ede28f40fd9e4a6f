// Lint, format, the dependency rule and types.
import { run, runNode } from './process.mjs';

const codes = [
  await runNode(['tools/generate.mjs']),
  await run('biome', ['check', '.', '--error-on-warnings', '--max-diagnostics=40']),
  await runNode(['tools/lanes/imports.mjs']),
  await run('tsc', ['--noEmit', '-p', 'tsconfig.json']),
];
process.exit(Math.max(...codes));
