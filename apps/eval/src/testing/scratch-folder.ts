/** Folders for the length of a test file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];

// Here and not in the function, which tests call while they run, when no hook can be added.
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** The path of a new empty folder that is removed when the file's tests have ended. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-eval-test-'));
  made.push(folder);
  return folder;
}
