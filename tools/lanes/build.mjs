// Builds every package (kernels, JavaScript, declarations). SPECTRA_DTS=0 leaves the declarations out.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, runNode } from './process.mjs';

const newest = (folder, skip = []) => {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (skip.includes(entry.name)) continue;
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
};

/** Builds the packages whose sources are newer than their output, two at a time. Returns the exit code. */
export async function buildAll({ declarations = process.env.SPECTRA_DTS !== '0' } = {}) {
  const generated = await runNode(['tools/generate.mjs']);
  if (generated !== 0) return generated;
  const wanted = ['packages', 'apps']
    .flatMap(group => readdirSync(join(root, group)).map(name => join(root, group, name)))
    .filter(folder => existsSync(join(folder, 'tsup.config.ts')))
    .filter(folder => {
      const out = join(folder, 'dist', declarations ? 'index.d.ts' : 'index.js');
      return !existsSync(out) || statSync(out).mtimeMs < newest(join(folder, 'src'));
    });
  let failed = 0;
  const next = async () => {
    for (let folder = wanted.shift(); folder !== undefined; folder = wanted.shift()) {
      const { code, output } = await run('tsup', ['--silent'], {
        cwd: folder,
        capture: true,
        env: { SPECTRA_DTS: declarations ? '1' : '0' },
      });
      if (code !== 0) {
        console.error(`${folder}\n${output}`);
        failed = code;
      }
    }
  };
  await Promise.all([next(), next()]);
  return failed;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exit(await buildAll());
