/** What a run was made with. */
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
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
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
  };
}
