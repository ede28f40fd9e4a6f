/** Findings about this machine, each with a fix where something is missing. */
import { statfsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { describeWasmKernels, kernelChoice, probeBackends, relaxedSimd } from '@spectra/tensor';
import { formatBytes } from '../run/format.ts';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

const LEAST_NODE = 20;
const BEST_NODE = 24;
const LEAST_DISK_BYTES = 1e9;

export async function doctorCommand(options: { readonly json: boolean }): Promise<void> {
  const findings = [
    nodeFinding(process.versions.node),
    machineFinding(),
    kernelFinding(),
    diskFinding('.'),
    ...(await backendFindings()),
  ];
  if (options.json) {
    console.log(JSON.stringify(findings, null, 2));
    return;
  }
  for (const { ok, name, detail, fix } of findings) {
    console.log(`${ok ? 'ok ' : ' - '} ${name.padEnd(12)} ${detail}`);
    if (fix !== undefined) console.log(`${' '.repeat(17)}fix: ${fix}`);
  }
}

export function nodeFinding(version: string): Finding {
  const major = Number(version.split('.')[0]);
  if (major < LEAST_NODE)
    return { name: 'node', ok: false, detail: version, fix: `Install Node ${LEAST_NODE} or newer.` };
  if (major >= BEST_NODE) return { name: 'node', ok: true, detail: version };
  return {
    name: 'node',
    ok: true,
    detail: `${version}, without the faster wasm kernels`,
    fix: `Run under Node ${BEST_NODE} or newer: relaxed SIMD doubles matrix products there.`,
  };
}

function machineFinding(): Finding {
  return {
    name: 'machine',
    ok: true,
    detail: `${cpus().length} cores, ${formatBytes(totalmem())} memory, ${process.platform} ${process.arch}`,
  };
}

function kernelFinding(): Finding {
  if (kernelChoice() === 'reference') {
    return {
      name: 'kernels',
      ok: true,
      detail:
        'reference: SPECTRA_KERNELS is set, what has a reference that can run here runs without our kernels',
      fix: 'Take SPECTRA_KERNELS out of the environment for speed.',
    };
  }
  const detail = describeWasmKernels();
  if (relaxedSimd()) return { name: 'kernels', ok: true, detail };
  return { name: 'kernels', ok: false, detail, fix: `Use Node ${BEST_NODE} or newer.` };
}

export function diskFinding(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  return {
    name: 'disk',
    ok: free >= LEAST_DISK_BYTES,
    detail: `${formatBytes(free)} free`,
    ...(free >= LEAST_DISK_BYTES ? {} : { fix: 'Free some space: checkpoints need it.' }),
  };
}

async function backendFindings(): Promise<Finding[]> {
  return (await probeBackends()).map(({ name, available, device, features, reason, fix }) => ({
    name,
    ok: available,
    detail: available ? [device, ...features].join(', ') : (reason ?? 'not available'),
    ...(fix === undefined ? {} : { fix }),
  }));
}
