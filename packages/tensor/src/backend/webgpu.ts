/**
 * The WebGPU backend on a device of our own: in browsers from `navigator.gpu`, in Node from the optional npm
 * package `webgpu` (Dawn). Asks for the adapter's full limits and for the features that kernels can use, and
 * turns device errors into exceptions (see `webgpu-errors.ts`).
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { env, registerBackend, removeBackend } from '@tensorflow/tfjs-core';
import { SpectraError } from '../errors.ts';
import { registerWebGPUKernels } from '../kernels/webgpu/register.ts';
import { checkSubgroups } from '../kernels/webgpu/subgroups.ts';
import { backendInstance, startRegistered } from './engine-state.ts';
import type { BackendFinding, BackendOptions, BackendProvider } from './report.ts';
import { missing } from './report.ts';
import { checkedBackend } from './webgpu-errors.ts';

/** Features that kernels may use where the adapter has them; no kernel depends on one. */
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const;

/** Limits that the default device leaves below the adapter's. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/**
 * A read-back submits what was recorded before it. Without one, this many dispatches do: more than a training step
 * takes, so that a step is one submit, and few enough that a loop that reads nothing does not grow for ever.
 */
const DISPATCHES_OF_A_SUBMIT = 4096;

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render|\bcpu\b/i;

export const webgpu: BackendProvider = {
  async find(options) {
    const gpu = await gpuOfThisEngine();
    if (typeof gpu === 'string') return missing('webgpu', gpu, INSTALL);
    const adapter = await adapterOf(gpu, options);
    return adapter === null ? missing('webgpu', 'no GPU adapter was found.', DRIVER) : describe(adapter);
  },

  async start(options) {
    if (backendInstance('webgpu') === undefined) {
      const gpu = await gpuOfThisEngine();
      const adapter = typeof gpu === 'string' ? null : await adapterOf(gpu, options);
      if (adapter === null)
        throw new SpectraError('BACKEND_MISSING', { message: 'the GPU adapter is gone.' });
      await register(adapter);
    }
    registerWebGPUKernels();
    await startRegistered('webgpu', 3);
    // the handful of operations on small tensors that would otherwise run on the CPU need synchronous reads
    env().set('WEBGPU_CPU_FORWARD', false);
    env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', DISPATCHES_OF_A_SUBMIT);
    await checkSubgroups((backendInstance('webgpu') as unknown as WebGPUBackend).device);
  },
};

const INSTALL =
  'In Node install the npm package `webgpu` (0.2 or newer); in a browser use one with WebGPU, on https or localhost.';
const DRIVER =
  'Install a Vulkan, Metal or Direct3D 12 driver. For tests without a GPU, point VK_ICD_FILENAMES at SwiftShader’s ' +
  'vk_swiftshader_icd.json and set XDG_RUNTIME_DIR.';

/** The entry to WebGPU, or the reason why there is none. */
async function gpuOfThisEngine(): Promise<GPU | string> {
  const present = (globalThis.navigator as Navigator | undefined)?.gpu as GPU | undefined;
  if (present !== undefined) return present;
  if (typeof process === 'undefined' || process.versions?.node === undefined)
    return 'this browser has no WebGPU.';
  const name = 'webgpu';
  let dawn: typeof import('webgpu');
  try {
    dawn = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as typeof import('webgpu');
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
      return 'the npm package `webgpu` is not installed.';
    return `the npm package \`webgpu\` does not load: ${message.split('\n')[0]!}`;
  }
  // tfjs names GPUBufferUsage and its kind as globals and looks for navigator.gpu when it is imported
  Object.assign(globalThis, dawn.globals);
  const gpu = await openDawn(dawn);
  if (globalThis.navigator === undefined) {
    Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true, writable: true });
  } else {
    Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  }
  return gpu;
}

/**
 * SwiftShader compiles the zeros that a workgroup's memory starts with into one store an element, which takes seconds
 * for a tile of a matrix. No kernel depends on them.
 */
const SOFTWARE_TOGGLES = ['enable-dawn-features=disable_workgroup_init'];

async function openDawn(dawn: typeof import('webgpu')): Promise<GPU> {
  const gpu = dawn.create([]);
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && isSoftware(adapter) ? dawn.create(SOFTWARE_TOGGLES) : gpu;
}

async function adapterOf(gpu: GPU, options: BackendOptions): Promise<GPUAdapter | null> {
  const powerPreference = options.powerPreference ?? 'high-performance';
  // Dawn throws where a browser gives null
  return gpu.requestAdapter({ powerPreference }).catch(() => null);
}

function wordsOf({ info }: GPUAdapter): string[] {
  const { vendor, architecture, device, description } = info;
  return [description, vendor, architecture, device].filter(word => word !== '' && word !== undefined);
}

function isSoftware(adapter: GPUAdapter): boolean {
  return adapter.info.isFallbackAdapter === true || SOFTWARE.test(wordsOf(adapter).join(' '));
}

function describe(adapter: GPUAdapter): BackendFinding {
  const words = wordsOf(adapter);
  return {
    name: 'webgpu',
    available: true,
    gpu: !isSoftware(adapter),
    device: words[0] === undefined ? 'an unnamed adapter' : [...new Set(words)].join(', '),
    features: FEATURES.filter(feature => adapter.features.has(feature)),
  };
}

async function register(adapter: GPUAdapter): Promise<void> {
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter(feature => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(
      LIMITS.map(name => [name, adapter.limits[name]]).filter(([, value]) => value !== undefined),
    ),
  });
  type WebgpuModule = typeof import('@tensorflow/tfjs-backend-webgpu');
  const module = (await import('@tensorflow/tfjs-backend-webgpu')) as WebgpuModule & {
    default?: WebgpuModule;
  };
  const backend: WebGPUBackend = checkedBackend(module.default ?? module, device, adapter.info);
  // its own registration makes a device with default limits
  removeBackend('webgpu');
  registerBackend('webgpu', () => backend, 3);
}
