// kill -9 at operations on files drawn from a seed, and at those around the rename. SPECTRA_TEST_EVERY=1: at each of them,
// by the program's sources, which need no build.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONVERSIONS, KilledConversion } from './killed-conversion.mjs';

const every = process.env.SPECTRA_TEST_EVERY === '1';
const program = fileURLToPath(new URL(every ? '../src/cli.ts' : '../dist/cli.js', import.meta.url));
const flags = every ? ['--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'] : [];

for (const command of Object.keys(CONVERSIONS)) {
  test(`${command}, killed and called again, writes what it writes undisturbed`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'spectra-killed-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const conversion = new KilledConversion(program, folder, command, flags);
    const operations = await conversion.expected();
    assert.ok(operations > 15, `${operations} operations`);
    // a linear congruential generator: the same moments in every run
    let state = 12345;
    const drawn = Array.from({ length: 3 }, () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return 1 + (state % (operations - 3));
    });
    const outcomes = [];
    for (const number of every ? all(operations) : [...drawn, operations - 1, operations])
      outcomes.push(await conversion.killAt(number));
    assert.equal(
      outcomes.at(-1).whole,
      true,
      'the last operation removes what is left beside the whole target',
    );
    if (!every) return;
    const shards = Object.keys(conversion.contents).filter(name => name.endsWith('.safetensors')).length;
    const most = Math.max(...outcomes.map(({ resumed }) => resumed));
    assert.equal(most, shards, 'what is finished is not written again');
    t.diagnostic(`${command}: killed at each of ${operations} operations`);
  });
}

function all(operations) {
  return Array.from({ length: operations }, (_, i) => i + 1);
}
