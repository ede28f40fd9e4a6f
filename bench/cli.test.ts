import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import type { Row, TimeRow } from './rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'spectra-bench-test-'));
const json = join(folder, 'rows', 'wasm.json');
afterAll(() => rmSync(folder, { recursive: true }));

const script = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const flags = ['--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'];

function run(file: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [...flags, script(file), ...args], {
    env: { ...process.env, SPECTRA_PYTHON: '' },
  });
}

const bench = (...args: string[]) => run('./cli.ts', ['--quick', '--json', json, ...args]);
const rows = (): Row[] => JSON.parse(readFileSync(json, 'utf8')) as Row[];

it('a quick case gives a row per peer, and says why one is absent', { timeout: 120_000 }, async () => {
  const { stdout } = await bench('--only', 'Sinkhorn 2048');
  const times = rows().filter((row): row is TimeRow => row.measure === 'time');
  expect(times.map(({ peer }) => peer)).toEqual([
    'PyTorch eager',
    'PyTorch eager, AVX2',
    'torch.compile',
    'stock tfjs',
    'jax-js',
  ]);
  for (const row of times) {
    expect(row).toMatchObject({ case: 'Sinkhorn 2048×32, T=3', backend: 'wasm', quick: true });
    expect(row.ours_ms).toBeGreaterThan(0);
    expect(row.runs).toBeGreaterThanOrEqual(7);
    expect(row.spread).toBeGreaterThanOrEqual(1);
  }
  const [torch] = times;
  const tfjs = times.find(({ peer }) => peer === 'stock tfjs');
  expect(torch).toMatchObject({
    peer_ms: null,
    ratio: null,
    note: expect.stringContaining('SPECTRA_PYTHON'),
  });
  expect(stdout).toContain(torch!.note);
  expect(tfjs!.ratio).toBeCloseTo(tfjs!.peer_ms! / tfjs!.ours_ms!, 12);
});

it('rows of another case join those of the file', { timeout: 120_000 }, async () => {
  const before = rows();
  await bench('--only', 'tfjs op: transpose [N,D]');
  expect(rows()).toEqual([...before, expect.objectContaining({ case: 'tfjs op: transpose [N,D]' })]);
});

it('an unknown backend is refused with those there are', async () => {
  await expect(bench('--backend', 'abacus')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('use cpu, wasm, webgpu, tensorflow'),
  });
});

it('the documentation says what the committed results hold', async () => {
  await run('./render.ts', ['--check']);
});
