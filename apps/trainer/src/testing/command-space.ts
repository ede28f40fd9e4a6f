/** What the tests of commands share: fixtures, a temporary folder, and what was printed. */
import { cpSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { afterAll, afterEach, beforeAll, beforeEach, type MockInstance, vi } from 'vitest';

/** The folder of a model of `fixtures/hf`. */
export const fixture = (name: string): string => join(workspaceRoot(), 'fixtures', 'hf', name);

/** Makes a folder for the tests of a file and keeps the console quiet; construct it at the file's top level. */
export class CommandSpace {
  /** There once the tests run. */
  folder = '';
  private log: MockInstance<typeof console.log> | undefined;

  constructor(prefix: string) {
    beforeAll(async () => {
      this.folder = await mkdtemp(join(tmpdir(), prefix));
    });
    afterAll(() => rm(this.folder, { recursive: true }));
    beforeEach(() => {
      this.log = vi.spyOn(console, 'log').mockImplementation(() => {});
      vi.spyOn(console, 'error').mockImplementation(() => {});
    });
    afterEach(() => vi.restoreAllMocks());
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A fresh copy of a fixture's model; its folder. */
  model(name: string): string {
    const folder = this.path('model');
    rmSync(folder, { recursive: true, force: true });
    cpSync(fixture(name), folder, { recursive: true });
    return folder;
  }

  /** What this test printed since it began, or since `clear`. */
  printed(): string {
    return this.log!.mock.calls.map(([line]) => String(line)).join('\n');
  }

  clear(): void {
    this.log!.mockClear();
  }
}
