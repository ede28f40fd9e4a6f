import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sourceVersion } from '../runs/environment.ts';
import { RowCommits } from './row-commits.ts';

let clone: string;
let rows: string;

function git(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('git', ['-C', clone, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

beforeEach(() => {
  for (const who of ['AUTHOR', 'COMMITTER']) {
    vi.stubEnv(`GIT_${who}_NAME`, 'Tester');
    vi.stubEnv(`GIT_${who}_EMAIL`, 'tester@example.org');
  }
  clone = mkdtempSync(join(tmpdir(), 'spectra-commits-'));
  rows = join(clone, 'docs/results/runs');
  git('init', '--quiet');
  git('commit', '--quiet', '--allow-empty', '--message', 'Begin.');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(clone, { recursive: true });
});

describe('RowCommits', () => {
  it('commits new and changed rows and leaves all else as it was', () => {
    const commits = new RowCommits(rows);
    writeFileSync(join(clone, 'staged.txt'), 'mine');
    git('add', 'staged.txt');
    writeFileSync(join(clone, 'other.txt'), 'mine too');
    writeFileSync(join(rows, 'c.json.tmp-1'), 'half of a row');
    expect(commits.commit('Nothing.')).toBeUndefined();
    expect(git('log', '--format=%s')).toBe('Begin.');
    writeFileSync(join(rows, 'a.json'), '1');
    expect(commits.commit('Record a.')).toBeUndefined();
    writeFileSync(join(rows, 'a.json'), '2');
    writeFileSync(join(rows, 'b.json'), '3');
    expect(commits.commit('Record b.')).toBeUndefined();
    expect(git('log', '--format=%s').split('\n')).toEqual(['Record b.', 'Record a.', 'Begin.']);
    expect(git('show', '--name-only', '--format=', 'HEAD').split('\n')).toEqual([
      'docs/results/runs/a.json',
      'docs/results/runs/b.json',
    ]);
    expect(git('status', '--porcelain')).toBe(
      'A  staged.txt\n?? docs/results/runs/c.json.tmp-1\n?? other.txt',
    );
  });

  it('says why it could not, and takes the rows along the next time', () => {
    const commits = new RowCommits(rows);
    writeFileSync(join(rows, 'a.json'), '1');
    const lock = join(clone, '.git/index.lock');
    writeFileSync(lock, '');
    expect(commits.commit('Record a.')).toContain('index.lock');
    rmSync(lock);
    writeFileSync(join(rows, 'b.json'), '1');
    expect(commits.commit('Record b.')).toBeUndefined();
    expect(git('ls-files').split('\n')).toHaveLength(2);
  });

  it('refuses a folder that no commit could hold', () => {
    writeFileSync(join(clone, '.gitignore'), 'ignored/\n');
    expect(() => new RowCommits(join(clone, 'ignored/runs'))).toThrow('ignores');
    const outside = mkdtempSync(join(tmpdir(), 'spectra-no-clone-'));
    expect(() => new RowCommits(outside)).toThrow('no git repository');
    rmSync(outside, { recursive: true });
  });
});

describe('sourceVersion', () => {
  it('is the commit of the sources, marked where they were changed, whatever rows are committed', () => {
    const commits = new RowCommits(rows);
    expect(sourceVersion(clone)).toBeNull();
    mkdirSync(join(clone, 'apps/eval'), { recursive: true });
    writeFileSync(join(clone, 'apps/eval/package.json'), '{}');
    git('add', '.');
    git('commit', '--quiet', '--message', 'Write the program.');
    const version = git('rev-parse', '--short=12', 'HEAD');
    writeFileSync(join(rows, 'a.json'), '1');
    commits.commit('Record a.');
    expect(sourceVersion(join(clone, 'apps/eval'))).toBe(version);
    writeFileSync(join(clone, 'apps/eval/package.json'), '{ }');
    expect(sourceVersion(clone)).toBe(`${version}+`);
  });
});
