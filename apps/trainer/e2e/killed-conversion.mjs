// What a conversion that was killed must leave, at whichever of its operations on files that was.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { filesIn, startProgram } from '../../../tools/e2e/program.mjs';
import { root } from '../../../tools/lanes/process.mjs';

const hook = new URL('../../../tools/e2e/die-at-operation.mjs', import.meta.url);
const fixture = name => join(root, 'fixtures', 'hf', name);

/** Commands by name, each given its target. Small shards, so that a kill falls between files, too. */
export const CONVERSIONS = {
  upcycle: to => [
    ...['upcycle', 'apply', '--from', fixture('llama'), '--to', to, '--mode', 'drop', '--experts', '2'],
    ...[
      '--noise',
      '0.1',
      '--router-options',
      '{"router_dim": 4}',
      '--shard-size',
      '150kB',
      '--backend',
      'wasm',
    ],
  ],
  'replace-router': to => [
    ...['replace-router', '--from', fixture('deepseek_v3'), '--to', to, '--backend', 'wasm'],
    ...['--init', 'distil', '--input', join(fixture('deepseek_v3'), 'inputs.json'), '--steps', '3'],
  ],
  convert: to => ['convert', fixture('qwen3_moe'), to, '--layout', 'fused', '--shard-size', '150kB'],
};

/** Runs conversions in `folder`, by `program` (of sources with `flags`), and kills them. */
export class KilledConversion {
  /** @param command one of CONVERSIONS */
  constructor(program, folder, command, flags = []) {
    this.program = program;
    this.folder = folder;
    this.command = command;
    this.flags = flags;
    this.target = join(folder, 'target');
  }

  /** Converts without a kill; keeps the result as what others must equal, and returns the number of operations. */
  async expected() {
    const counter = join(this.folder, 'operations');
    const { code, stderr } = await this.run({ SPECTRA_TEST_COUNT: counter });
    assert.equal(code, 0, stderr);
    this.contents = contents(this.target);
    assert.ok(Object.keys(this.contents).length >= 3);
    rmSync(this.target, { recursive: true });
    return Number(readFileSync(counter, 'utf8'));
  }

  /** Kills at operation `number`: the target is absent or whole then, and after the same command again equal. */
  async killAt(number) {
    const killed = await this.run({ SPECTRA_TEST_DIE: String(number) });
    assert.equal(killed.code, 'SIGKILL', `operation ${number}: ${killed.stderr}`);
    const whole = existsSync(this.target);
    if (whole) assert.deepEqual(contents(this.target), this.contents, `operation ${number}`);
    const kept = shardNumbers(join(`${this.target}.partial`, 'model'));
    const again = await this.run({});
    if (whole) {
      // the rename was done: the same command says that the target is there, and tidies up
      assert.equal(again.code, 1, `operation ${number}`);
      assert.match(again.stderr, /^error FILE_EXISTS: /m);
    } else assert.equal(again.code, 0, `operation ${number}: ${again.stderr}`);
    assert.deepEqual(contents(this.target), this.contents, `operation ${number}`);
    assert.deepEqual(
      filesIn(this.folder).filter(name => name.includes('.partial')),
      [],
      `operation ${number}`,
    );
    const after = shardNumbers(this.target);
    const resumed = Object.keys(kept).filter(name => kept[name] === after[name]).length;
    rmSync(this.target, { recursive: true });
    return { whole, resumed };
  }

  run(env) {
    const args = [...this.flags, this.program, ...CONVERSIONS[this.command](this.target)];
    const [program, ...rest] = [`--import=${hook}`, ...args];
    return startProgram(program, this.folder, rest, { env: { SPECTRA_TEST_BELOW: this.target, ...env } })
      .ended;
  }
}

function contents(folder) {
  return Object.fromEntries(
    filesIn(folder).map(name => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

/** Inode numbers of the shards in a folder: the same file, not written again. */
function shardNumbers(folder) {
  const shards = filesIn(folder).filter(name => name.endsWith('.safetensors'));
  return Object.fromEntries(shards.map(name => [name, statSync(join(folder, name)).ino]));
}
