/** What is known about a backend on this machine, and how a backend is asked for. */
import type { BackendName } from '../define-op.ts';

/** Whether a backend can run here, and if not, why and what to do. */
export interface BackendFinding {
  readonly name: BackendName;
  readonly available: boolean;
  /** Whether it computes on a real GPU (SwiftShader and other software adapters are none). */
  readonly gpu: boolean;
  /** The device in words, e.g. `WebAssembly, SIMD, relaxed SIMD`; empty when not available. */
  readonly device: string;
  /** What kernels may use: `relaxed-simd`; `shader-f16`, `subgroups`, `timestamp-query`; … */
  readonly features: readonly string[];
  /** Why it is not available. */
  readonly reason?: string;
  /** What would make it available. */
  readonly fix?: string;
}

/** The backend that `setBackend` selected. */
export interface BackendReport extends BackendFinding {
  /**
   * Which kernels run, in words: `reference` and, on webgpu outside browsers, which ones stay; or `fused` and, on wasm, how
   * they were compiled.
   */
  readonly kernels: string;
  /** Names of the tfjs repairs that are in place on it. */
  readonly repairs: readonly string[];
  /** What `auto` looked at and passed over, in its order; empty for an explicit choice. */
  readonly passedOver: readonly BackendFinding[];
}

export interface BackendOptions {
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` are served: a URL prefix that ends in `/`, or a
   * URL per file name. For browsers; in Node they are found beside the package.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>>;
  /** Which GPU WebGPU should take where there are two; `high-performance` by default. */
  readonly powerPreference?: 'low-power' | 'high-performance';
}

/** One backend's knowledge of itself. `find` selects nothing; `start` makes it the engine's. */
export interface BackendProvider {
  find(options: BackendOptions): Promise<BackendFinding>;
  start(options: BackendOptions): Promise<void>;
}

/** A finding of absence. */
export function missing(name: BackendName, reason: string, fix: string): BackendFinding {
  return { name, available: false, gpu: false, device: '', features: [], reason, fix };
}
