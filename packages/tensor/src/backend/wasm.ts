/** The WebAssembly backend with our own kernels in its memory: the default, in Node and in browsers. */
import { env } from '@tensorflow/tfjs-core';
import { registerWasmKernels } from '../kernels/wasm/register.ts';
import { relaxedSimd } from '../wasm-features.ts';
import { backendInstance, startRegistered } from './engine-state.ts';
import type { BackendOptions, BackendProvider } from './report.ts';
import { missing } from './report.ts';

type WasmModule = typeof import('@tensorflow/tfjs-backend-wasm');

export const wasm: BackendProvider = {
  async find() {
    if (typeof WebAssembly === 'undefined') {
      return missing('wasm', 'this JavaScript engine has no WebAssembly.', 'Use a current browser or Node.');
    }
    await load();
    if (!(await env().getAsync('WASM_HAS_SIMD_SUPPORT'))) {
      return missing(
        'wasm',
        'this JavaScript engine has no WebAssembly SIMD.',
        'Use a current browser or Node.',
      );
    }
    const features = ['simd', ...(relaxedSimd() ? ['relaxed-simd'] : [])];
    return {
      name: 'wasm',
      available: true,
      gpu: false,
      device: `WebAssembly (${features.join(', ')})`,
      features,
    };
  },

  async start(options) {
    const module = await load();
    if (backendInstance('wasm') === undefined) configure(module, options);
    await startRegistered('wasm', 2);
    // after the start, which sets up the stock kernels: some call each other behind the registry
    registerWasmKernels();
  },
};

async function load(): Promise<WasmModule> {
  const module = (await import('@tensorflow/tfjs-backend-wasm')) as WasmModule & { default?: WasmModule };
  // in Node it is a CommonJS module
  return module.default ?? module;
}

function configure(module: WasmModule, options: BackendOptions): void {
  // the threaded build has a shared memory, which our kernels' modules do not import
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (options.wasmPaths !== undefined) {
    const paths = options.wasmPaths;
    module.setWasmPaths(typeof paths === 'string' ? paths : { ...paths });
  }
}
