/** Commits rows as they come, so that another clone can go on from what is pushed. */
import { spawnSync } from 'node:child_process';
import { SpectraError } from '@spectra/tensor';
import { makeFolder } from '@spectra/trainer';

/** Whole rows: what a run beside this one is writing has another ending. */
const ROWS = ':(glob)*.json';

export class RowCommits {
  readonly #folder: string;

  /** `folder`: of rows. @throws USAGE where it is not in a git repository, or ignored there. */
  constructor(folder: string) {
    makeFolder(folder);
    this.#folder = folder;
    const inside = this.#git('rev-parse', '--is-inside-work-tree').stdout.trim() === 'true';
    if (!inside || this.#git('check-ignore', '--quiet', '.').status === 0) {
      throw new SpectraError('USAGE', {
        message: inside ? 'git ignores the folder of rows.' : 'the folder of rows is in no git repository.',
        where: folder,
        fix: 'Choose another folder with --results, or leave --commit out.',
      });
    }
  }

  /**
   * Commits every row that is new or changed, and nothing else, whatever is staged. Returns why it could not: the rows are
   * then part of the next commit.
   */
  commit(message: string): string | undefined {
    if (this.#git('status', '--porcelain', '--', ROWS).stdout === '') return undefined;
    for (const args of [
      ['add', '--', ROWS],
      ['commit', '--quiet', '--only', '--message', message, '--', ROWS],
    ]) {
      const { status, stdout, stderr } = this.#git(...args);
      if (status !== 0) return stderr.trim() || stdout.trim();
    }
    return undefined;
  }

  #git(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
    const { error, status, stdout, stderr } = spawnSync('git', ['-C', this.#folder, ...args], {
      encoding: 'utf8',
    });
    return error === undefined
      ? { status, stdout, stderr }
      : { status: 1, stdout: '', stderr: error.message };
  }
}
