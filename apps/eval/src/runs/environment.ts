/** What a run was made with. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import type { RunRow } from './row.ts';

/** `backend`: its name and device. */
export function environment(backend: string): RunRow['environment'] {
  const tfjs = createRequire(import.meta.url)('@tensorflow/tfjs-core/package.json') as { version: string };
  return {
    backend,
    node: process.versions.node,
    tfjs: tfjs.version,
    spectra: packageJson.version,
    source: sourceVersion(),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
  };
}

const SOURCES = ['packages', 'apps', 'pnpm-lock.yaml'];

/**
 * The newest commit that touched the program's sources, with `+` where they were changed since; null outside a clone of
 * the workspace. Commits of rows do not change it.
 */
export function sourceVersion(from = dirname(fileURLToPath(import.meta.url))): string | null {
  const top = git(from, 'rev-parse', '--show-toplevel');
  if (top === undefined || !existsSync(join(top, 'apps/eval/package.json'))) return null;
  const commit = git(top, 'log', '-1', '--format=%h', '--abbrev=12', '--', ...SOURCES);
  if (commit === undefined || commit === '') return null;
  const changed = git(top, 'status', '--porcelain', '--', ...SOURCES);
  return changed === '' ? commit : `${commit}+`;
}

function git(folder: string, ...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', ['-C', folder, ...args], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
