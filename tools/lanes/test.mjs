// `npm test`: every lane that this machine can run, one after another; what it cannot run is named with its reason.
// SPECTRA_LANES=unit,cli narrows; SPECTRA_REQUIRE=all makes a skipped lane a failure (CI).
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findBackends, swiftShaderEnv } from './backends.mjs';
import { buildAll } from './build.mjs';
import { findChromium } from './chromium.mjs';
import { checkPackages } from './packages.mjs';
import { root, run, runNode } from './process.mjs';
import { runReadmes } from './readmes.mjs';
import { runSmoke } from './smoke.mjs';

const only = process.env.SPECTRA_LANES?.split(',');
const strict = process.env.SPECTRA_REQUIRE === 'all';
const results = [];

/** Runs a lane: `work` returns {passed, failed} or {skipped: reason}. */
async function lane(name, work) {
  if (only !== undefined && !only.includes(name)) return;
  const started = Date.now();
  console.error(`\n=== ${name}`);
  let result;
  try {
    result = await work();
  } catch (error) {
    console.error(error);
    result = { passed: 0, failed: 1 };
  }
  results.push({
    name,
    seconds: (Date.now() - started) / 1000,
    passed: 0,
    failed: strict && result.skipped ? 1 : 0,
    ...result,
  });
}

async function vitest(project, env = {}, filters = []) {
  const report = join(root, '.cache', `vitest-${project}-${process.pid}.json`);
  rmSync(report, { force: true });
  const code = await run(
    'vitest',
    [
      'run',
      '--project',
      project,
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...filters,
    ],
    { env },
  );
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(report);
  const failed = numFailedTests + (numFailedTests === 0 ? numFailedTestSuites : 0);
  return { passed: numPassedTests, failed: failed + (code !== 0 && failed === 0 ? 1 : 0) };
}

/** node:test files; counts from its summary lines. */
async function nodeTests(files, env = {}) {
  const { code, output } = await run(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
    { env, capture: true },
  );
  const count = word => Number(new RegExp(`^. ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  if (code !== 0) console.error(output);
  return {
    passed: count('pass'),
    failed:
      count('fail') + count('cancelled') + (code !== 0 && count('fail') + count('cancelled') === 0 ? 1 : 0),
  };
}

const outcome = code => (code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });

await lane('lint', async () => outcome(await runNode(['tools/lanes/lint.mjs'])));
await lane('unit', async () =>
  (await runNode(['tools/generate.mjs'])) === 0 ? vitest('unit') : { passed: 0, failed: 1 },
);

const wanted = name => only === undefined || only.includes(name);
const backends = ['cpu', 'wasm', 'webgpu', 'tensorflow'].some(b => wanted(`conformance-${b}`))
  ? await findBackends()
  : {};
for (const [backend, found] of Object.entries(backends)) {
  await lane(`conformance-${backend}`, async () =>
    found.available
      ? vitest('conformance', { SPECTRA_BACKEND: backend, ...found.env })
      : { skipped: found.reason },
  );
}
await lane('build', async () => outcome(await buildAll()));
await lane('packages', checkPackages);
await lane('readmes', runReadmes);
await lane('cli', () => nodeTests(['apps/trainer/e2e/*.test.mjs', 'apps/eval/e2e/*.test.mjs']));
await lane('smoke', runSmoke);
await lane('browser', async () => {
  const chromium = findChromium();
  return chromium === undefined
    ? { skipped: 'no Chromium found (set SPECTRA_CHROMIUM, or install the package chromium)' }
    : nodeTests(['tools/browser/*.test.mjs'], { SPECTRA_CHROMIUM: chromium, ...swiftShaderEnv() });
});
await lane('demo', async () => outcome(await runNode(['tools/lanes/demo-check.mjs'])));

console.log('\nlane                       passed  failed  seconds');
for (const { name, passed, failed, seconds, skipped } of results) {
  const tail = skipped === undefined ? '' : `  skipped: ${skipped}`;
  console.log(
    `${name.padEnd(26)} ${String(passed).padStart(6)} ${String(failed).padStart(7)} ${seconds.toFixed(1).padStart(8)}${tail}`,
  );
}
const sum = key => results.reduce((total, result) => total + result[key], 0);
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') === 0 ? 0 : 1);
