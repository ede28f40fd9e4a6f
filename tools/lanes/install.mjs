// Installs the workspace with the pinned pnpm, once per lockfile.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './process.mjs';

const stamp = join(root, 'node_modules', '.spectra-installed');

export async function installWorkspace() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error(`Installing the workspace with ${packageManager} (once) ...`);
  const args = [
    'exec',
    '--yes',
    `--package=${packageManager}`,
    '--',
    'pnpm',
    'install',
    '--frozen-lockfile',
    '--reporter=append-only',
  ];
  const { code, output } = await run('npm', args, { capture: true, env: { CI: 'true' } });
  if (code !== 0) {
    console.error(output);
    console.error('The install failed. npm must be able to reach a package registry.');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
