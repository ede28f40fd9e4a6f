/** Whether our own kernels run, or everything without them: for finding out what makes a wrong number. */
import type { BackendName } from './define-op.ts';
import { SpectraError } from './errors.ts';

/**
 * `fused`: our kernels and, on wasm, our replacements of stock ones. `reference`: every op's reference in plain tfjs
 * ops on tfjs's own kernels, but for the few that would read a device which cannot be read at once (`keptKernels`). The
 * repairs of tfjs are in place either way.
 */
export const KERNEL_CHOICES = ['fused', 'reference'] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

let choice: KernelChoice | undefined;

/**
 * What runs here: the environment variable `SPECTRA_KERNELS`, in a browser `globalThis.SPECTRA_KERNELS`, read once, at
 * the first call; `fused` by default.
 *
 * @throws VALUE for another word
 */
export function kernelChoice(): KernelChoice {
  choice ??= read();
  return choice;
}

/** Whether tensors can be read without waiting. On WebGPU tfjs does it through a canvas, which only browsers have. */
export function readsAtOnce(backendName: BackendName): boolean {
  return backendName !== 'webgpu' || 'OffscreenCanvas' in globalThis;
}

function read(): KernelChoice {
  const scope = globalThis as { process?: NodeJS.Process; SPECTRA_KERNELS?: unknown };
  const word = scope.process?.env?.SPECTRA_KERNELS ?? scope.SPECTRA_KERNELS ?? 'fused';
  const found = KERNEL_CHOICES.find(known => known === word);
  if (found === undefined) {
    throw new SpectraError('VALUE', {
      message: `SPECTRA_KERNELS is '${String(word)}'.`,
      where: 'setBackend',
      fix: `Use ${KERNEL_CHOICES.join(' or ')}, or leave it out.`,
    });
  }
  return found;
}
