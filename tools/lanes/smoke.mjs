// The suite `smoke` from its first run to its report, in a folder that nothing else uses.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runNode } from './process.mjs';

export async function runSmoke() {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-smoke-'));
  try {
    const places = ['--runs', join(folder, 'runs'), '--results', join(folder, 'results')];
    const code = await runNode([
      join(root, 'apps/eval/dist/cli.js'),
      'run',
      join(root, 'configs/suites/smoke.yaml'),
      '--jobs',
      '2',
      ...places,
    ]);
    const reported = existsSync(join(folder, 'results/smoke/report.html'));
    return code === 0 && reported ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
