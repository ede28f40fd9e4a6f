// Checks each package as it would be published: publint and are-the-types-wrong on the packed tarball.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './process.mjs';

export async function checkPackages() {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-pack-'));
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  let [passed, failed] = [0, 0];
  try {
    for (const path of ['packages', 'apps'].flatMap(group =>
      readdirSync(join(root, group)).map(name => join(root, group, name)),
    )) {
      const before = new Set(readdirSync(folder));
      const pack = await run(
        'npm',
        ['exec', '--yes', `--package=${packageManager}`, '--', 'pnpm', 'pack', '--pack-destination', folder],
        { cwd: path, capture: true },
      );
      const tarball = readdirSync(folder).find(file => !before.has(file));
      const checks =
        tarball === undefined
          ? [pack]
          : [
              await run('publint', ['run', join(folder, tarball), '--strict'], { capture: true }),
              await run('attw', [join(folder, tarball), '--profile', 'esm-only', '--no-emoji'], {
                capture: true,
              }),
            ];
      const bad = checks.filter(check => check.code !== 0);
      for (const { output } of bad) console.error(`${path}\n${output}`);
      if (tarball !== undefined && bad.length === 0) passed++;
      else failed++;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { passed, failed };
}
