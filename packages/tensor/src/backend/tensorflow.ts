/**
 * The native TensorFlow backend: the optional peer `@tensorflow/tfjs-node` or `-gpu`, found at run time.
 * `SPECTRA_TFJS_NODE` names a package folder outside the usual places, such as one made by
 * `tools/build-tfjs-node.sh`.
 */
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { findBackend, setBackend } from '@tensorflow/tfjs-core';
import { selectedBackend, startRegistered } from './engine-state.ts';
import type { BackendFinding, BackendProvider } from './report.ts';
import { missing } from './report.ts';

const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const INSTALL = 'Install @tensorflow/tfjs-node (or -gpu) 4.22.0 and let its install script run.';

export const tensorflow: BackendProvider = {
  async find() {
    if (typeof process === 'undefined' || process.versions?.node === undefined) {
      return missing(
        'tensorflow',
        'the native backend runs in Node only.',
        'Use webgpu or wasm in a browser.',
      );
    }
    found ??= await search();
    return found;
  },
  async start() {
    await startRegistered('tensorflow', 3);
  },
};

let found: BackendFinding | undefined;

async function search(): Promise<BackendFinding> {
  prepareProcess();
  const selected = selectedBackend();
  try {
    const name = await importFirst();
    if (name === undefined) return missing('tensorflow', absence(), INSTALL);
    return describe(findBackend('tensorflow'));
  } catch (cause) {
    const reason = String((cause as Error).message).split('\n')[0]!;
    const which = process.env.SPECTRA_TFJS_NODE
      ? `SPECTRA_TFJS_NODE=${process.env.SPECTRA_TFJS_NODE}`
      : 'tfjs-node';
    return missing('tensorflow', `${which} is there but does not load: ${reason}`, INSTALL);
  } finally {
    // importing it selects it
    if (selected !== undefined && selectedBackend() !== selected) await setBackend(selected);
  }
}

function absence(): string {
  const folder = process.env.SPECTRA_TFJS_NODE;
  return folder ? `SPECTRA_TFJS_NODE=${folder} holds no package.` : 'no tfjs-node package is installed.';
}

/** Imports the first package that is present; `undefined` where none is. */
async function importFirst(): Promise<string | undefined> {
  const folder = process.env.SPECTRA_TFJS_NODE;
  if (folder !== undefined && folder !== '') {
    const manifest = `${folder.replace(/\/+$/, '')}/package.json`;
    if (!process.getBuiltinModule('node:fs').existsSync(manifest)) return undefined;
    process.getBuiltinModule('node:module').createRequire(manifest)(folder);
    return folder;
  }
  for (const name of PACKAGES) {
    try {
      await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
      return name;
    } catch (cause) {
      const { code, message } = cause as { code?: string; message: string };
      const absent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
      if (!absent || !message.includes(name)) throw cause;
    }
  }
  return undefined;
}

/** What the native code reads once, and what tfjs-node misses on current Node. Set values are kept. */
function prepareProcess(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  // float32 means float32: TF32 would round every matmul's inputs to 10 bits
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  // deprecated, and removed in Node 23; tfjs-node 4.22 still calls them
  const util = process.getBuiltinModule('node:util') as unknown as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

function describe(backend: KernelBackend): BackendFinding {
  const { isUsingGpuDevice: gpu, binding } = backend as unknown as NodeBackend;
  const device = `TensorFlow ${binding.TF_Version} on the ${gpu ? 'GPU' : 'CPU'}`;
  return { name: 'tensorflow', available: true, gpu, device, features: [] };
}
