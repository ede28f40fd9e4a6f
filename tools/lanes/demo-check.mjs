// The README's demo in a short form: a few steps of both arms, then every promised figure is there.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { run } from './process.mjs';

const KEYS = [
  'eval_loss',
  'unigram_entropy',
  'baseline_eval_loss',
  'load_cv',
  'load_cv_causal',
  'gram_orthogonality',
  'train_tokens_per_second',
  'seconds',
];

const built = await buildAll({ declarations: false });
if (built !== 0) process.exit(built);
const folder = mkdtempSync(join(tmpdir(), 'spectra-demo-'));
try {
  const { code, output } = await run(
    process.execPath,
    ['apps/trainer/dist/cli.js', 'demo', '--steps', '6', '--compare', '--runs-dir', folder],
    { capture: true },
  );
  assert.equal(code, 0, output);
  const summary = JSON.parse(readFileSync(join(folder, 'demo', 'summary.json'), 'utf8'));
  for (const key of KEYS) assert.ok(Number.isFinite(summary[key]), `summary.json: ${key} is ${summary[key]}`);
  assert.ok(summary.load_cv < 0.1, 'the quota balances the training rule from the first step');
  const report = readFileSync(join(folder, 'demo', 'report.html'), 'utf8');
  assert.ok(report.includes('<svg'), 'the report has plots');
  assert.ok(!/(?:src|href)="https?:/.test(report), 'the report asks no network');
  for (const text of [
    'held-out loss',
    'unigram entropy',
    'causal decoding rule',
    'keywords of the experts',
    'The whale',
  ]) {
    assert.ok(output.includes(text), `the demo prints ${text}`);
  }
  console.log('the short demo shows every figure');
} finally {
  rmSync(folder, { recursive: true });
}
