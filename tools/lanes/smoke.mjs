// The suite `smoke` from its first run to its report, in a folder that nothing else uses, and a look at the page.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkReportPage } from '../browser/report-page.mjs';
import { findChromium } from './chromium.mjs';
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
    const page = join(folder, 'results/smoke/report.html');
    if (code !== 0 || !existsSync(page)) return { passed: 0, failed: 1 };
    const chromium = findChromium();
    if (chromium === undefined) {
      console.error('the report was not looked at: no Chromium found');
      return { passed: 1, failed: 0 };
    }
    await checkReportPage(page, chromium, { figures: 7, tables: 19 });
    return { passed: 2, failed: 0 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
