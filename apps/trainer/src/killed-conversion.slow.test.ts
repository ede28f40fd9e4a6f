/** Conversions killed at every single operation on files: absent and resumable, or whole. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('upcycle, replace-router and convert survive a kill at every operation', () => {
  const test = fileURLToPath(new URL('../e2e/killed-conversion.test.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', test], {
    env: { ...process.env, SPECTRA_TEST_EVERY: '1', NODE_OPTIONS: '' },
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  console.log(stdout.match(/\S+: killed at each of \d+ operations/g)?.join('\n'));
  expect(status, stdout + stderr).toBe(0);
});
