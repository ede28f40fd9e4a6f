// Routers of checkpoints with the tensors, shapes, dtypes and shards of the largest published models, made of holes.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../../../tools/e2e/program.mjs';
import { filesIn, json, ok, root } from './support.mjs';

const hook = fileURLToPath(new URL('../../../tools/e2e/peak-memory.mjs', import.meta.url));

/** What it took; SPECTRA_TEST_RECORD names a file to keep it in. */
const rows = [];
after(() => {
  const file = process.env.SPECTRA_TEST_RECORD;
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(rows, null, 1)}\n`);
});

/** Bytes on the disk that only this folder holds. */
const own = folder =>
  filesIn(folder).reduce((sum, name) => {
    const { nlink, blocks } = statSync(join(folder, name));
    return sum + (nlink === 1 ? 512 * blocks : 0);
  }, 0);

for (const [name, tensors] of [
  ['deepseek-v3', 91_991],
  ['kimi-k2', 139_644],
  ['gpt-oss-120b', 687],
]) {
  const options = process.platform === 'linux' ? {} : { skip: 'peak memory is read from /proc' };
  test(
    `${name} gets another router in less than a minute, 300 MB of memory and 50 MB of disk`,
    options,
    async t => {
      const folder = mkdtempSync(join(tmpdir(), 'spectra-large-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const maker = join(root, 'tools', 'fixtures', 'sparse-checkpoint.ts');
      const flags = ['--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'];
      const made = await startProgram(flags[0], folder, [flags[1], maker, name, 'source']).ended;
      assert.equal(made.code, 0, made.stderr);

      const replace = ['replace-router', '--from', 'source', '--to', 'target', '--backend', 'wasm'];
      const env = { NODE_OPTIONS: `--import=${hook}`, SPECTRA_TEST_PEAK: join(folder, 'peak') };
      const began = performance.now();
      const { stderr } = await ok(folder, replace, { env });
      const seconds = (performance.now() - began) / 1000;
      const peak = Number(readFileSync(join(folder, 'peak'), 'utf8'));
      const row = { model: name, tensors, seconds, peakBytes: peak, diskBytes: own(join(folder, 'target')) };
      rows.push(row);
      t.diagnostic(JSON.stringify(row));
      assert.match(stderr, /^router: a learned vector per expert and one set of weights for all layers; /m);
      assert.ok(seconds < 60, `${seconds} s`);
      assert.ok(peak < 300e6, `${peak} bytes`);
      assert.ok(row.diskBytes < 50e6);

      // every tensor of the source is carried over, in the file it was in, or dropped with its reason
      const { stdout } = await ok(folder, [...replace, '--plan', '--json']);
      const plan = JSON.parse(stdout);
      const before = json(join(folder, 'source', 'model.safetensors.index.json')).weight_map;
      const after = json(join(folder, 'target', 'model.safetensors.index.json')).weight_map;
      assert.equal(Object.keys(before).length, tensors);
      const kept = plan.tensors.flatMap(({ sources }) => sources);
      assert.deepEqual([...kept, ...plan.dropped.map(one => one.name)].sort(), Object.keys(before).sort());
      for (const source of kept) assert.equal(after[source], before[source]);
      assert.ok(plan.dropped.every(({ name: dropped }) => /\.mlp\.(gate|router)\./.test(dropped)));
      assert.deepEqual(Object.keys(after).sort(), plan.tensors.map(({ target }) => target).sort());
    },
  );
}
