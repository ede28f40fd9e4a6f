// The dependency rule: a package imports only what stands below it on the map, and declares what it imports.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.mjs';

const BELOW = {
  tensor: [],
  sinkhorn: ['tensor'],
  gram: ['tensor'],
  checkpoint: ['tensor'],
  data: ['tensor'],
  routing: ['sinkhorn', 'gram'],
  'gru-router': ['routing'],
  'moe-layer': ['routing'],
  monitor: ['routing'],
  transformer: ['moe-layer', 'gru-router', 'checkpoint'],
  upcycle: ['transformer'],
};
/** Apps may import every package, and the evaluation trains by the trainer. */
const APPS = { trainer: [], eval: ['trainer'] };
const closure = name => new Set(BELOW[name].flatMap(n => [n, ...closure(n)]));
const sources = folder =>
  readdirSync(folder, { recursive: true }).filter(f => f.endsWith('.ts') && !f.endsWith('.as.ts'));

const problems = [];
for (const [group, names] of [
  ['packages', readdirSync(join(root, 'packages'))],
  ['apps', readdirSync(join(root, 'apps'))],
]) {
  for (const name of names) {
    const folder = join(root, group, name);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
    const allowed = group === 'apps' ? new Set([...Object.keys(BELOW), ...APPS[name]]) : closure(name);
    for (const file of sources(join(folder, 'src'))) {
      const test = /\.test\.ts$|oracle\.ts$|(^|\/)(conformance|testing)\//.test(file);
      const text = readFileSync(join(folder, 'src', file), 'utf8');
      for (const [, fixed, lazy] of text.matchAll(
        /^(?:import|export|\}).*?(?:from |import )'([^'.\n][^'\n]*)'|import\('([^'.\n][^'\n]*)'\)/gm,
      )) {
        const specifier = fixed ?? lazy;
        if (specifier.startsWith('node:') || test) continue;
        const [scope, second] = specifier.split('/');
        const dependency = scope.startsWith('@') ? `${scope}/${second}` : scope;
        if (declared[dependency] === undefined && dependency !== manifest.name) {
          problems.push(`${group}/${name}/src/${file}: ${dependency} is not declared in package.json`);
        }
        if (scope === '@spectra' && second !== name && !allowed.has(second)) {
          problems.push(`${group}/${name}/src/${file}: ${name} may not import ${second}`);
        }
      }
    }
  }
}
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
