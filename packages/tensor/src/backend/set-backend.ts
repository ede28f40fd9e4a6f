/** Choosing the tfjs backend: what this machine can run, and why not the rest. */
import { BACKEND_NAMES, type BackendName, keptKernels } from '../define-op.ts';
import { SpectraError } from '../errors.ts';
import { kernelChoice } from '../kernel-choice.ts';
import { describeWasmKernels } from '../kernels/wasm/choose.ts';
import { installRepairs } from '../repairs/install.ts';
import { AUTO_ORDER, suitsAuto } from './auto-order.ts';
import { cpu } from './cpu.ts';
import type { BackendFinding, BackendOptions, BackendProvider, BackendReport } from './report.ts';
import { tensorflow } from './tensorflow.ts';
import { wasm } from './wasm.ts';
import { webgpu } from './webgpu.ts';

const PROVIDERS: Readonly<Record<BackendName, BackendProvider>> = { cpu, wasm, webgpu, tensorflow };

/**
 * Selects the tfjs backend, with this package's kernels and repairs in place, and reports what runs.
 *
 * With `SPECTRA_KERNELS=reference` in the environment everything that can runs without the kernels (`KERNEL_CHOICES`).
 *
 * `auto` takes the first of: `tensorflow` with a GPU, `webgpu` on a real GPU, `wasm`, `cpu`.
 *
 * @throws BACKEND_MISSING where the named backend cannot run here, with the reason and the fix;
 *   BACKEND_FAILED where it is present and fails to start; VALUE for an unknown name.
 */
export async function setBackend(
  name: BackendName | 'auto' = 'auto',
  options: BackendOptions = {},
): Promise<BackendReport> {
  if (name !== 'auto' && !BACKEND_NAMES.includes(name)) {
    throw new SpectraError('VALUE', {
      message: `there is no backend '${String(name)}'.`,
      where: 'setBackend',
      fix: `Use auto, ${BACKEND_NAMES.join(', ')}.`,
    });
  }
  const passedOver: BackendFinding[] = [];
  for (const candidate of name === 'auto' ? AUTO_ORDER : [name]) {
    const finding = await PROVIDERS[candidate].find(options);
    if (name === 'auto' && !suitsAuto(finding)) {
      passedOver.push(finding);
      continue;
    }
    if (!finding.available) {
      throw new SpectraError('BACKEND_MISSING', {
        message: `the backend '${candidate}' cannot run here: ${finding.reason ?? 'unknown reason.'}`,
        where: 'setBackend',
        ...(finding.fix === undefined ? {} : { fix: finding.fix }),
      });
    }
    kernelChoice(); // before anything starts: another word is an error
    await start(candidate, options);
    return {
      ...finding,
      kernels: describeKernels(candidate),
      repairs: installRepairs(candidate),
      passedOver,
    };
  }
  throw new SpectraError('BACKEND_MISSING', { message: 'no backend can run here.', where: 'setBackend' });
}

/** What every backend says of itself on this machine, in the order of `auto`; changes nothing. */
export async function probeBackends(options: BackendOptions = {}): Promise<BackendFinding[]> {
  const findings: BackendFinding[] = [];
  for (const name of AUTO_ORDER) findings.push(await PROVIDERS[name].find(options));
  return findings;
}

function describeKernels(name: BackendName): string {
  if (kernelChoice() === 'fused') return name === 'wasm' ? describeWasmKernels() : 'fused';
  const kept = keptKernels(name);
  return kept.length === 0 ? 'reference' : `reference, fused where it would read back: ${kept.join(', ')}`;
}

async function start(name: BackendName, options: BackendOptions): Promise<void> {
  try {
    await PROVIDERS[name].start(options);
  } catch (cause) {
    if (cause instanceof SpectraError) throw cause;
    throw new SpectraError('BACKEND_FAILED', {
      message: `the backend '${name}' did not start: ${messageOf(cause)}`,
      where: 'setBackend',
      cause,
    });
  }
}

// the wasm backend rejects with a plain object
function messageOf(cause: unknown): string {
  const message = (cause as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : String(cause);
}
