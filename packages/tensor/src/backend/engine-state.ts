/** The few parts of tfjs's engine that its types keep private and that we depend on, named in one place. */
import type { KernelBackend } from '@tensorflow/tfjs-core';
import {
  engine,
  findBackendFactory,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import type { BackendName } from '../define-op.ts';

interface EngineInternals {
  /** Instances by name: those that were initialised. */
  readonly registry: Readonly<Record<string, KernelBackend>>;
  readonly backendName: string | null;
}

function internals(): EngineInternals {
  return engine() as unknown as EngineInternals;
}

/** The initialised backend of this name, without initialising it. */
export function backendInstance(name: BackendName): KernelBackend | undefined {
  return internals().registry[name];
}

/** The name of the selected backend, without selecting one. */
export function selectedBackend(): string | undefined {
  return internals().backendName ?? undefined;
}

/**
 * Makes the backend's instance through its registered factory and selects it. tfjs's own initialisation turns
 * a factory's error into a console warning; this one lets it through.
 */
export async function startRegistered(name: BackendName, priority: number): Promise<void> {
  if (backendInstance(name) === undefined) {
    const factory = findBackendFactory(name);
    const instance = await factory();
    removeBackend(name);
    registerBackend(name, () => instance, priority);
  }
  await setBackend(name);
}
