/**
 * Puts repairs over tfjs's registrations and takes them off again, in any order: each patched kernel remembers
 * what was registered and the wraps on it. A later registration by someone else becomes the new ground.
 */
import type { GradConfig, KernelConfig, KernelFunc } from '@tensorflow/tfjs-core';
import {
  getGradient,
  getKernel,
  registerGradient,
  registerKernel,
  unregisterGradient,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import type { BackendName } from '../define-op.ts';
import type { GradientWrap, KernelWrap, Repair } from './repair.ts';

interface Patch<Config, Wrap> {
  ground: Config | undefined;
  ours: Config | undefined;
  readonly wraps: Map<string, Wrap>;
}

const kernelPatches = new Map<string, Patch<KernelConfig, KernelWrap>>();
const gradientPatches = new Map<string, Patch<GradConfig, GradientWrap>>();

export function installRepair(name: string, repair: Repair, backendName: BackendName): void {
  for (const [kernelName, wrap] of Object.entries(repair.kernels?.[backendName] ?? {})) {
    patchKernel(kernelName, backendName, wraps => wraps.set(name, wrap));
  }
  for (const [kernelName, wrap] of Object.entries(repair.gradients ?? {})) {
    patchGradient(kernelName, wraps => wraps.set(name, wrap));
  }
}

export function removeRepair(name: string, repair: Repair, backendName: BackendName): void {
  for (const kernelName of Object.keys(repair.kernels?.[backendName] ?? {})) {
    patchKernel(kernelName, backendName, wraps => wraps.delete(name));
  }
  for (const kernelName of Object.keys(repair.gradients ?? {})) {
    patchGradient(kernelName, wraps => wraps.delete(name));
  }
}

function patchKernel(
  kernelName: string,
  backendName: BackendName,
  change: (wraps: Map<string, KernelWrap>) => void,
): void {
  const registered = getKernel(kernelName, backendName) as KernelConfig | undefined;
  const patch = patchOf(kernelPatches, `${kernelName} on ${backendName}`, registered);
  change(patch.wraps);
  let kernelFunc: KernelFunc | undefined = patch.ground?.kernelFunc;
  for (const wrap of patch.wraps.values()) kernelFunc = wrap(kernelFunc, backendName);
  if (registered !== undefined) unregisterKernel(kernelName, backendName);
  // a set-up function of the ground goes on being called
  patch.ours = kernelFunc && { ...(patch.ground ?? { kernelName, backendName }), kernelFunc };
  if (patch.ours !== undefined) registerKernel(patch.ours);
}

function patchGradient(kernelName: string, change: (wraps: Map<string, GradientWrap>) => void): void {
  const registered = getGradient(kernelName) as GradConfig | undefined;
  const patch = patchOf(gradientPatches, kernelName, registered);
  change(patch.wraps);
  let config = patch.ground;
  for (const wrap of patch.wraps.values()) config = { ...wrap(config), kernelName };
  if (registered !== undefined) unregisterGradient(kernelName);
  patch.ours = config;
  if (config !== undefined) registerGradient(config);
}

function patchOf<Config, Wrap>(
  patches: Map<string, Patch<Config, Wrap>>,
  key: string,
  registered: Config | undefined,
): Patch<Config, Wrap> {
  let patch = patches.get(key);
  if (patch === undefined)
    patches.set(key, (patch = { ground: registered, ours: undefined, wraps: new Map() }));
  else if (registered !== patch.ours) patch.ground = registered;
  return patch;
}
