// Runs the TypeScript examples of every README and page of docs in plain Node on the built packages.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { root, run } from './process.mjs';

const pages = () =>
  [
    'README.md',
    ...['packages', 'apps'].flatMap(group =>
      readdirSync(join(root, group)).map(name => join(group, name, 'README.md')),
    ),
    ...readdirSync(join(root, 'docs'), { recursive: true })
      .filter(f => f.endsWith('.md'))
      .map(f => join('docs', f)),
  ].map(path => join(root, path));

export async function runReadmes() {
  let [passed, failed] = [0, 0];
  for (const page of pages()) {
    const text = readFileSync(page, 'utf8');
    // a package's own example sees its own dependencies; a page of docs sees the trainer's, which are all of them
    const home =
      page.includes('/packages/') || page.includes('/apps/') ? dirname(page) : join(root, 'apps/trainer');
    const folder = join(home, '.readme');
    for (const [index, [, code]] of [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].entries()) {
      // what an example makes goes with it
      const temporary = join(folder, 'tmp');
      mkdirSync(temporary, { recursive: true });
      const file = join(folder, `${basename(page, '.md')}-${index}.mts`);
      writeFileSync(file, code);
      const { code: status, output } = await run(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', '--experimental-strip-types', relative(home, file)],
        { cwd: home, env: { TMPDIR: temporary }, capture: true, timeout: 120_000 },
      );
      if (status === 0) passed++;
      else {
        failed++;
        console.error(`${relative(root, page)} example ${index + 1}:\n${output}`);
      }
      rmSync(folder, { recursive: true });
    }
  }
  return { passed, failed };
}
