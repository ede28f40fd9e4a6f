// What a conversion that was killed must leave, at whichever of its operations on files that was.
import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs';
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

/** Runs conversions in `folder`, by `program`, and kills them. */
export class KilledConversion {
  /** @param command one of CONVERSIONS */
  constructor(program, folder, command) {
    this.program = program;
    this.folder = folder;
    this.command = command;
    this.target = join(folder, 'target');
  }

  /** Converts without a kill; keeps the result as what others must equal, and returns the number of operations. */
  async expected() {
    const counter = join(this.folder, 'operations');
    const { code, stderr } = await this.run({ SPECTRA_TEST_COUNT: counter });
    assert.equal(code, 0, stderr);
    this.contents = contents(this.target);
    this.shards = Object.keys(writtenShards(this.target)).length;
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
    const left = writtenShards(join(`${this.target}.partial`, 'model'));
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
    const resumed = keptFiles(left, writtenShards(this.target)).length;
    rmSync(this.target, { recursive: true });
    return { whole, resumed };
  }

  run(env) {
    const args = [this.program, ...CONVERSIONS[this.command](this.target)];
    return startProgram(`--import=${hook}`, this.folder, args, {
      env: { SPECTRA_TEST_BELOW: this.target, ...env },
    }).ended;
  }
}

function contents(folder) {
  return Object.fromEntries(
    filesIn(folder).map(name => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

/**
 * What tells the shards that were written into a folder from all others: a file system gives the number of a removed file
 * to the next one, but not its times. Those shared with the source are none.
 */
export function writtenShards(folder) {
  const shards = filesIn(folder).filter(name => name.endsWith('.safetensors'));
  return Object.fromEntries(
    shards.flatMap(name => {
      const found = lstatSync(join(folder, name), { bigint: true });
      if (!found.isFile() || found.nlink > 1n) return [];
      return [[name, [found.ino, found.birthtimeNs, found.ctimeNs].join(' ')]];
    }),
  );
}

/** The names of those that were not written again. */
export function keptFiles(before, after) {
  return Object.keys(before).filter(name => before[name] === after[name]);
}
