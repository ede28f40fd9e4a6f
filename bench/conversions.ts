/**
 * What converting a checkpoint costs beside copying its bytes: `upcycle apply` of a model, and `cp`, `sync` and `sha256sum` of
 * what it wrote, in turn; seconds, peak memory, ratio.
 *
 *   node tools/lanes/build.mjs
 *   node --conditions=@spectra/source bench/conversions.ts MODEL [--rounds 5] [--json FILE]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './statistics.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'apps', 'trainer', 'dist', 'cli.js');
const hook = join(root, 'tools', 'e2e', 'peak-memory.mjs');
const MODES = {
  copy: ['--mode', 'copy', '--experts', '8', '--active', '2'],
  granular: ['--mode', 'granular', '--parts', '2', '--replicas', '4', '--active', '1'],
} as const;

interface Row {
  readonly mode: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly copySeconds: number;
  /** Of the copy's time over ours: 1 is as fast. */
  readonly speed: number;
  readonly peakBytes: number;
}

/** Seconds that a command takes; throws what it said if it failed. */
function timed(command: string, args: readonly string[], env: Record<string, string> = {}): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(command, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${stderr}`);
  return (performance.now() - began) / 1000;
}

function measure(model: string, mode: keyof typeof MODES, rounds: number, folder: string): Row {
  const [to, copy, peak] = ['to', 'copy', 'peak'].map(name => join(folder, name)) as [string, string, string];
  const args = ['upcycle', 'apply', '--from', model, '--to', to, ...MODES[mode], '--backend', 'wasm'];
  const ours: number[] = [];
  const theirs: number[] = [];
  let [bytes, peakBytes] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    ours.push(timed(process.execPath, [`--import=${hook}`, cli, ...args], { SPECTRA_TEST_PEAK: peak }));
    peakBytes = Math.max(peakBytes, Number(readFileSync(peak, 'utf8')));
    bytes = readdirSync(to).reduce((sum, name) => sum + statSync(join(to, name)).size, 0);
    theirs.push(timed('sh', ['-c', 'cp -r "$0" "$1" && sync "$1"/* && sha256sum "$1"/*', to, copy]));
    for (const path of [to, copy]) rmSync(path, { recursive: true });
  }
  const [seconds, copySeconds] = [median(ours), median(theirs)];
  return { mode, bytes, seconds, copySeconds, speed: copySeconds / seconds, peakBytes };
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'string' } },
  allowPositionals: true,
});
const [model] = positionals;
if (model === undefined) {
  console.error('usage: conversions.ts MODEL [--rounds n] [--json FILE]');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'spectra-conversions-'));
try {
  const rows = (Object.keys(MODES) as (keyof typeof MODES)[]).map(mode =>
    measure(model, mode, Number(values.rounds), folder),
  );
  for (const { mode, bytes, seconds, copySeconds, speed, peakBytes } of rows) {
    console.log(
      `${mode}: ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s, cp + sync + sha256sum ${copySeconds.toFixed(1)} s: ` +
        `${speed.toFixed(2)}× its speed, ${(peakBytes / 1e6).toFixed(0)} MB of memory`,
    );
  }
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, rounds: Number(values.rounds), rows }, null, 1)}\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
