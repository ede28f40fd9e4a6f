/**
 * The one seam for an operation of our own.
 *
 * An op has a reference (plain tfjs ops: runs on every backend and reads like the paper), optional fused
 * kernels per backend with the same result, and a gradient that may serve several outputs at once. It is
 * registered as a tfjs kernel, so it joins the tape, the profiler and the leak checker like any other.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { KernelBackend, NamedAttrMap, NamedTensorMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { engine, fill, registerGradient, registerKernel, tidy } from '@tensorflow/tfjs-core';
import { kernelChoice, readsAtOnce } from './kernel-choice.ts';
import { lastTapeNode, taping } from './optim/tape.ts';
import { WasmCall } from './wasm-call.ts';

/** Backends that the project runs on; an op's reference serves each that has no kernel of its own. */
export const BACKEND_NAMES = ['cpu', 'wasm', 'webgpu', 'tensorflow'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** Named inputs; an optional input is left out, never null. */
export type OpInputs = Readonly<Record<string, Tensor | undefined>>;

export interface OpDefinition<I extends OpInputs, A extends object> {
  /** Registered as `Spectra<name>`; unique, CamelCase. */
  readonly name: string;
  /** Plain tfjs ops, run inside a `tidy`; returns every output. */
  readonly reference: (inputs: I, attrs: A) => Tensor[];
  /** Whether the reference reads its inputs at once (`dataSync`): where a device cannot be (`readsAtOnce`), the kernel always runs. */
  readonly readsBack?: boolean;
  /** Fused kernels. One that returns `undefined` hands this call to the reference. */
  readonly kernels?: {
    readonly wasm?: (inputs: KernelInputs<I>, attrs: A, call: WasmCall) => TensorInfo[] | undefined;
    readonly webgpu?: (inputs: KernelInputs<I>, attrs: A, backend: WebGPUBackend) => TensorInfo[] | undefined;
    /** Made of tfjs ops, TensorFlow's own by name among them; run as the reference is. */
    readonly tensorflow?: (inputs: I, attrs: A) => Tensor[] | undefined;
  };
  /**
   * Gradients with respect to the float32 inputs, given the cotangents of all outputs (zeros for an output
   * that nothing used). Runs inside a `tidy`. Inputs it leaves out get the gradient zero; those that are not `wanted`,
   * a frozen weight for one, need none.
   */
  readonly gradient?: (context: GradientContext<I, A>) => { readonly [K in keyof I]?: Tensor };
}

export type KernelInputs<I extends OpInputs> = {
  readonly [K in keyof I]: TensorInfo | (undefined extends I[K] ? undefined : never);
};

export interface GradientContext<I extends OpInputs, A> {
  readonly dys: Tensor[];
  readonly inputs: I;
  readonly outputs: Tensor[];
  readonly attrs: A;
  /** Whether anything asks for the gradient of this input. */
  readonly wanted: (name: keyof I) => boolean;
}

/** A callable op: tensors in, tensors out; the caller owns what it returns (inside a `tidy`, the tidy does). */
export type Op<I extends OpInputs, A extends object> = (inputs: I, attrs: A) => Tensor[];

/**
 * Defines, registers and returns an op.
 *
 * The order of the saved tensors is fixed by the call's own inputs: a call with an optional input saves it,
 * one without does not.
 */
export function defineOp<I extends OpInputs, A extends object>(definition: OpDefinition<I, A>): Op<I, A> {
  const kernelName = `Spectra${definition.name}`;
  if (definition.readsBack === true) readingBack.push(definition.name);
  for (const backendName of BACKEND_NAMES) {
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const call = attrs as unknown as CallAttrs<A>;
        const named = byName(call.inputNames, inputs as unknown as Tensor[]) as unknown as I;
        return runKernel(definition, backendName, named, call, backend as KernelBackend);
      },
    });
  }
  const { gradient } = definition;
  const backward: Backward = (dys, saved, attrs, wanted) => {
    const call = attrs as unknown as CallAttrs<A>;
    const names = call.inputNames;
    const outputs = saved.slice(names.length);
    const grads = tidy(
      () =>
        gradient?.({
          dys: cotangents(dys, outputs),
          inputs: byName(names, saved) as unknown as I,
          outputs,
          attrs: call,
          wanted: name => wanted?.has(String(names.indexOf(name as string))) ?? true,
        }) ?? {},
    ) as Readonly<Record<string, Tensor | undefined>>;
    // the tape asks for a gradient of every input that depends on x, an index computed from x included
    return Object.fromEntries(
      names.map((name, i) => [String(i), () => grads[name]?.clone() ?? fill(saved[i]!.shape, 0)]),
    );
  };
  if (gradient !== undefined) {
    registerGradient({
      kernelName,
      saveAllInputs: true,
      // tfjs asks for a flag per output; one flag too many is ignored, so this covers every op
      outputsToSave: Array.from({ length: MAX_OUTPUTS }, () => true),
      gradFunc: (dy, saved, attrs) => backward(Array.isArray(dy) ? dy : [dy], saved, attrs),
    });
  }
  return (inputs, attrs) => {
    const given = Object.entries(inputs).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
    const call: CallAttrs<A> = { ...attrs, inputNames: given.map(([name]) => name) };
    // an array, as tfjs saves "all inputs" of nothing else; their names travel in the attributes
    const tensors = given.map(([, tensor]) => tensor) as unknown as NamedTensorMap;
    const out = engine().runKernel(kernelName, tensors, call as unknown as NamedAttrMap) as Tensor | Tensor[];
    if (gradient !== undefined && taping()) {
      // in the place of tfjs's own, which fills every cotangent that is missing with zeros made on the host
      lastTapeNode()!.gradient = function (dys) {
        return backward(dys, this.saved, call as unknown as NamedAttrMap, new Set(Object.keys(this.inputs)));
      };
    }
    return Array.isArray(out) ? out : [out];
  };
}

type Backward = (
  dys: readonly (Tensor | null)[],
  saved: Tensor[],
  attrs: NamedAttrMap,
  /** Positions of the inputs whose gradient is asked for; all by default. */
  wanted?: ReadonlySet<string>,
) => Record<string, () => Tensor>;

/** The cotangents; zeros for an output that nothing used are made when the gradient reads them. */
function cotangents(dys: readonly (Tensor | null)[], outputs: readonly Tensor[]): Tensor[] {
  const list = [...dys];
  for (const [i, dy] of dys.entries()) {
    const { shape, dtype } = outputs[i] ?? {};
    if (dy === null) Object.defineProperty(list, i, { get: () => fill(shape!, 0, dtype as 'float32') });
  }
  return list as Tensor[];
}

function byName(names: readonly string[], tensors: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
}

const MAX_OUTPUTS = 16;

const readingBack: string[] = [];

/** Names of the ops defined so far whose kernels run on this backend whatever `kernelChoice` says. */
export function keptKernels(backendName: BackendName): readonly string[] {
  return readsAtOnce(backendName) ? [] : readingBack;
}

type CallAttrs<A> = A & { readonly inputNames: readonly string[] };

function runKernel<I extends OpInputs, A extends object>(
  definition: OpDefinition<I, A>,
  backendName: BackendName,
  inputs: I,
  attrs: A,
  backend: KernelBackend,
): TensorInfo[] | Tensor[] {
  const needed = definition.readsBack === true && !readsAtOnce(backendName);
  const kernels = needed || kernelChoice() === 'fused' ? definition.kernels : undefined;
  if (backendName === 'wasm' && kernels?.wasm !== undefined) {
    const call = new WasmCall(backend as unknown as BackendWasm);
    try {
      const out = kernels.wasm(inputs as unknown as KernelInputs<I>, attrs, call);
      if (out !== undefined) return out;
    } finally {
      call.release();
    }
  }
  if (backendName === 'webgpu' && kernels?.webgpu !== undefined) {
    const out = kernels.webgpu(
      inputs as unknown as KernelInputs<I>,
      attrs,
      backend as unknown as WebGPUBackend,
    );
    if (out !== undefined) return out;
  }
  return tidy(() => {
    const given = new Set<Tensor>(Object.values(inputs) as Tensor[]);
    const native = backendName === 'tensorflow' ? kernels?.tensorflow?.(inputs, attrs) : undefined;
    return (native ?? definition.reference(inputs, attrs)).map(output => {
      // an input, or one output twice, would be one node of the tape with two meanings
      const fresh = given.has(output) ? output.clone() : output;
      given.add(fresh);
      return fresh;
    });
  });
}
