/** What a repair of tfjs is: replacements for kernels or gradients that are missing or give wrong numbers. */
import type { GradConfig, KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendName } from '../define-op.ts';

/** Makes the repaired kernel from the one that is registered now; `undefined` where there is none. */
export type KernelWrap = (stock: KernelFunc | undefined, backendName: BackendName) => KernelFunc;

/** Makes the repaired gradient from the registered one. */
export type GradientWrap = (stock: GradConfig | undefined) => Omit<GradConfig, 'kernelName'>;

export interface Repair {
  /** What is wrong without it, in one sentence. */
  readonly fault: string;
  /** By backend, then by kernel name. */
  readonly kernels?: Partial<Readonly<Record<BackendName, Readonly<Record<string, KernelWrap>>>>>;
  /** By kernel name; on every backend. */
  readonly gradients?: Readonly<Record<string, GradientWrap>>;
}

/** The arguments that tfjs hands a kernel. */
export interface KernelCall {
  readonly inputs: { readonly [name: string]: TensorInfo };
  readonly backend: object;
  readonly attrs?: NamedAttrMap | undefined;
}
