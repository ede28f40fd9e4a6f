/**
 * What a WebAssembly kernel needs from the tfjs wasm backend: outputs, addresses, scratch memory, and our own
 * module instantiated on the backend's memory, so that kernels work on tfjs tensors without a copy.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { SpectraError } from './errors.ts';
import { alias } from './kernels/wasm/alias.ts';
import { chosenCompilation, startModule } from './kernels/wasm/choose.ts';
import { compileWasm, type WasmBinary } from './wasm-compile.ts';

interface HeapModule {
  readonly asm?: { readonly memory: WebAssembly.Memory };
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
}

function heapOf(backend: BackendWasm): HeapModule {
  return (backend as unknown as { wasm: HeapModule }).wasm;
}

function allocate(backend: BackendWasm, bytes: number): number {
  const address = heapOf(backend)._malloc(bytes) >>> 0;
  if (address === 0) {
    throw new SpectraError('BACKEND_FAILED', {
      message: `the wasm heap cannot give ${bytes} bytes.`,
      fix: 'Use a smaller batch or sequence; the heap ends at 4 GB.',
    });
  }
  return address;
}

/**
 * One kernel call. Allocate every output and scratch before taking a typed-array view: growing the memory
 * detaches views (addresses stay).
 */
export class WasmCall {
  readonly backend: BackendWasm;
  private readonly scratches: number[] = [];

  constructor(backend: BackendWasm) {
    this.backend = backend;
  }

  /** A new uninitialised output, owned by the engine once the kernel returns it. */
  output(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    return this.backend.makeOutput([...shape], dtype);
  }

  /**
   * The memory of `x` as an output: a kernel that has read `x` may write there. A new output where another tensor (a
   * clone, something saved) shares that memory.
   */
  reuse(x: TensorInfo): TensorInfo {
    if (this.backend.refCount(x.dataId) !== 1) return this.output(x.shape, x.dtype);
    return alias(this, x, x.shape);
  }

  /** The byte address of a tensor's data in wasm memory. */
  address(info: TensorInfo): number {
    const entry = (this.backend as unknown as { dataIdMap: { get(id: object): { memoryOffset: number } } })
      .dataIdMap;
    return entry.get(info.dataId).memoryOffset >>> 0;
  }

  /** `address`, or 0 where an optional input was left out. */
  addressOr0(info: TensorInfo | undefined): number {
    return info === undefined ? 0 : this.address(info);
  }

  /** Uninitialised bytes, 16-byte aligned, freed when the call ends. */
  scratch(bytes: number): number {
    const raw = allocate(this.backend, bytes + 16);
    this.scratches.push(raw);
    return ((raw + 15) & ~15) >>> 0;
  }

  /** A view of wasm memory; valid until the next allocation. */
  floats(address: number, length: number): Float32Array {
    return new Float32Array(heapOf(this.backend).HEAPU8.buffer, address, length);
  }

  ints(address: number, length: number): Int32Array {
    return new Int32Array(heapOf(this.backend).HEAPU8.buffer, address, length);
  }

  release(): void {
    for (const address of this.scratches) heapOf(this.backend)._free(address);
    this.scratches.length = 0;
  }
}

/**
 * A lazily compiled kernel module. `exports(backend)` gives its functions on that backend's memory. Modules are
 * built without static data, so that they own no part of the imported memory. A module that imports
 * `gemm.as.ts` re-exports its `setWideTiles`, one that imports `math.as.ts` its `mathConstantBytes` and
 * `setMathConstants`; the constants stay in the backend's memory.
 */
export function defineWasmModule<Exports>(binary: WasmBinary): (backend: BackendWasm) => Exports {
  const instances = new WeakMap<object, Exports>();
  let compiled: WebAssembly.Module | undefined;
  return backend => {
    const found = instances.get(backend);
    if (found !== undefined) return found;
    const compilation = chosenCompilation();
    compiled ??= compileWasm(binary, compilation);
    const memory = heapOf(backend).asm?.memory;
    if (memory === undefined) {
      throw new SpectraError('BACKEND_FAILED', { message: 'the wasm backend does not expose its memory.' });
    }
    const instance = new WebAssembly.Instance(compiled, { env: { memory, abort: trap } });
    const exports = instance.exports as unknown as Exports;
    startModule(exports, compilation.wideTiles, bytes => allocate(backend, bytes));
    instances.set(backend, exports);
    return exports;
  };
}

function trap(): never {
  throw new SpectraError('BACKEND_FAILED', { message: 'a wasm kernel aborted.' });
}
