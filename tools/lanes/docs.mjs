// `pnpm docs:build`: the API reference of every package from its docstrings, into docs/api.
import { readdirSync } from 'node:fs';
import { root, run } from './process.mjs';

const entries = readdirSync(`${root}/packages`).map(name => `packages/${name}/src/index.ts`);
process.exit(
  await run('typedoc', [
    '--out',
    'docs/api',
    '--tsconfig',
    'tsconfig.json',
    '--skipErrorChecking',
    '--name',
    'SPECTRA',
    ...entries,
  ]),
);
