/** This package's wasm kernels on a memory of their own: for a backend that has tensors elsewhere and no op for the job. */
import { chosenCompilation, compileWasm, startModule, type WasmBinary } from '@spectra/tensor';

const PAGE = 65536;

/** One module and its memory, which grows to what the largest call needs and stays. */
export class HostModule<Exports> {
  readonly kernels: Exports;
  private readonly memory: WebAssembly.Memory;
  /** Where room for calls begins: what stays lies below. */
  private readonly start: number;
  private end = PAGE;

  constructor(binary: WasmBinary) {
    const compilation = chosenCompilation();
    this.memory = new WebAssembly.Memory({ initial: 1 });
    const env = { memory: this.memory, abort: () => undefined };
    const { exports } = new WebAssembly.Instance(compileWasm(binary, compilation), { env });
    startModule(exports, compilation.wideTiles, bytes => this.room(bytes));
    this.start = this.end;
    this.kernels = exports as unknown as Exports;
  }

  /** Runs f; what it allocates is free again after it. */
  call<T>(f: () => T): T {
    this.end = this.start;
    return f();
  }

  /** Uninitialised bytes. */
  room(bytes: number): number {
    const address = this.end;
    this.end = Math.ceil((address + bytes) / 16) * 16;
    const missing = this.end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return address;
  }

  /** A copy of `values`; 0 where there are none. */
  put(values: ArrayLike<number> | undefined): number {
    if (values === undefined) return 0;
    const address = this.room(4 * values.length);
    new Float32Array(this.memory.buffer, address, values.length).set(values);
    return address;
  }

  take(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length).slice();
  }
}
