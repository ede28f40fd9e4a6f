// kill -9 at operations on files drawn from a seed, and at those around the rename. SPECTRA_TEST_EVERY names a command that
// is killed at each of its operations.
import assert from 'node:assert/strict';
import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONVERSIONS, KilledConversion, keptFiles, writtenShards } from './killed-conversion.mjs';

const every = process.env.SPECTRA_TEST_EVERY;
const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-killed-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

for (const command of every === undefined ? Object.keys(CONVERSIONS) : [every]) {
  test(`${command}, killed and called again, writes what it writes undisturbed`, async t => {
    const conversion = new KilledConversion(program, temporaryFolder(t), command);
    const operations = await conversion.expected();
    assert.ok(operations > 15, `${operations} operations`);
    // a linear congruential generator: the same moments in every run
    let state = 12345;
    const drawn = Array.from({ length: 3 }, () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return 1 + (state % (operations - 3));
    });
    const outcomes = [];
    for (const number of every === undefined ? [...drawn, operations - 1, operations] : all(operations))
      outcomes.push(await conversion.killAt(number));
    assert.equal(
      outcomes.at(-1).whole,
      true,
      'the last operation removes what is left beside the whole target',
    );
    if (every === undefined) return;
    const most = Math.max(...outcomes.map(({ resumed }) => resumed));
    assert.equal(most, conversion.shards, 'what is finished is not written again');
    t.diagnostic(`${command}: killed at each of ${operations} operations`);
  });
}

test('a shard that is written again, or is shared with the source, does not count as kept', t => {
  const folder = temporaryFolder(t);
  const path = name => join(folder, `${name}.safetensors`);
  for (const name of ['kept', 'again', 'shared']) writeFileSync(path(name), 'weights');
  linkSync(path('shared'), join(folder, 'source'));
  const before = writtenShards(folder);
  rmSync(path('again'));
  writeFileSync(path('again'), 'weights');
  assert.deepEqual(keptFiles(before, writtenShards(folder)), ['kept.safetensors']);
});

function all(operations) {
  return Array.from({ length: operations }, (_, i) => i + 1);
}
