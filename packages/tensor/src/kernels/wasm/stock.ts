/** Replacing a stock kernel of the tfjs wasm backend, and calling the stock one for what ours does not do. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import { WasmCall } from '../../wasm-call.ts';

export interface KernelArguments {
  readonly inputs: NamedTensorInfoMap;
  readonly attrs: NamedAttrMap;
}

/** A kernel of ours: `undefined` hands the call to the stock kernel. */
export type Replacement = (call: WasmCall, args: KernelArguments) => TensorInfo | TensorInfo[] | undefined;

/** A stock kernel that can be called although it is no longer registered. */
export type StockKernel = (backend: BackendWasm, args: KernelArguments) => TensorInfo | TensorInfo[];

const stockKernels = new Map<string, StockKernel>();

/** The stock kernel that `replaceKernel` displaced, for comparisons. */
export function stockKernel(kernelName: string): StockKernel | undefined {
  return stockKernels.get(kernelName);
}

/** Registers `replacement` in the place of the stock kernel. Does nothing if there is no stock kernel. */
export function replaceKernel(kernelName: string, replacement: Replacement): void {
  const config = getKernel(kernelName, 'wasm') as KernelConfig | undefined;
  if (config === undefined) return;
  const stock = callable(config);
  stockKernels.set(kernelName, stock);
  unregisterKernel(kernelName, 'wasm');
  registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const call = new WasmCall(backend as BackendWasm);
      const args: KernelArguments = { inputs, attrs: attrs ?? {} };
      try {
        const out = replacement(call, args);
        if (out !== undefined) return out;
      } finally {
        call.release();
      }
      return stock(backend as BackendWasm, args);
    },
  });
}

/** tfjs sets a kernel up when its backend starts, which an unregistered kernel may have missed. */
function callable(config: KernelConfig): StockKernel {
  const ready = new WeakSet<object>();
  return (backend, { inputs, attrs }) => {
    if (!ready.has(backend)) {
      config.setupFunc?.(backend);
      ready.add(backend);
    }
    return config.kernelFunc({ inputs, attrs, backend });
  };
}
