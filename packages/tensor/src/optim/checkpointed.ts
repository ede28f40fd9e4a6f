/**
 * Gradient checkpointing (Chen et al., "Training deep nets with sublinear memory cost", 2016): the forward pass
 * keeps a layer's inputs and drops everything inside; the backward pass computes the layer again and takes its
 * gradients from that.
 */
import type { NamedAttrMap, NamedTensorMap, Tensor } from '@tensorflow/tfjs-core';
import {
  customGrad,
  engine,
  registerGradient,
  registerKernel,
  scalar,
  tidy,
  zeros,
} from '@tensorflow/tfjs-core';
import { BACKEND_NAMES } from '../define-op.ts';
import { SpectraError } from '../errors.ts';
import type { Parameter } from '../parameter.ts';
import { reverse } from './reverse.ts';
import { lastTapeNode, releaseTape, type TapeNode, taping } from './tape.ts';

/** A deterministic function of its inputs and of `parameters`, without other effects: it runs twice. */
export type Recomputable = (...inputs: Tensor[]) => Tensor[];

const KERNEL = 'SpectraRecompute';

for (const backendName of BACKEND_NAMES) {
  registerKernel({
    kernelName: KERNEL,
    backendName,
    // a kernel's inside is not recorded
    kernelFunc: ({ inputs, attrs }) => {
      const { fn, count } = attrs as unknown as RecomputeAttrs;
      return runFresh(fn, (inputs as unknown as Tensor[]).slice(0, count));
    },
  });
}
registerGradient({
  kernelName: KERNEL,
  saveAllInputs: true,
  gradFunc: () => {
    throw new SpectraError('BACKEND_FAILED', { message: 'the gradient of a recomputed layer was not set.' });
  },
});

interface RecomputeAttrs {
  readonly fn: Recomputable;
  /** How many of the kernel's inputs are `fn`'s; parameters follow. */
  readonly count: number;
}

/**
 * fn(...inputs), recomputed during the backward pass instead of kept. Gradients are those of the plain call, bit
 * for bit. `parameters` must name every parameter that fn reads; one that it does not read gets zeros. Outputs
 * may be of any dtype; gradients flow through the float32 ones that the loss depends on. First-order gradients
 * only. The caller owns the outputs (inside a `tidy`, the tidy does). Outside a gradient it is just fn, tidied.
 *
 * @param name the layer's, for error messages
 */
export function checkpointed(
  name: string,
  fn: Recomputable,
  inputs: readonly Tensor[],
  parameters: readonly Parameter[],
): Tensor[] {
  if (!taping()) return runFresh(fn, inputs);
  const variables = parameters.filter(p => p.trainable).map(p => p.variable as Tensor);
  const attrs: RecomputeAttrs = { fn, count: inputs.length };
  const all = [...inputs, ...variables] as unknown as NamedTensorMap;
  const outputs = engine().runKernel(KERNEL, all, attrs as unknown as NamedAttrMap) as unknown as Tensor[];
  const node = lastTapeNode()!;
  node.gradient = function (dys) {
    return recomputedGradients(this, name, attrs, variables, dys);
  };
  return outputs;
}

/** Runs fn so that no output is one of the inputs or another output, which the tape could not tell apart. */
function runFresh(fn: Recomputable, inputs: readonly Tensor[]): Tensor[] {
  return tidy(() => {
    const seen = new Set<Tensor>(inputs);
    return fn(...inputs).map(output => {
      const fresh = seen.has(output) ? output.clone() : output;
      seen.add(fresh);
      return fresh;
    });
  });
}

function recomputedGradients(
  node: TapeNode,
  name: string,
  { fn, count }: RecomputeAttrs,
  variables: readonly Tensor[],
  dys: readonly (Tensor | null)[],
): Record<string, () => Tensor> {
  // the saved copies stand for the inputs; fn reads the variables themselves
  const sources = [...node.saved.slice(0, count), ...variables];
  const wanted = Object.keys(node.inputs);
  const xs = wanted.map(key => sources[Number(key)]!);
  const grads = tidy(() => {
    const loss = (): Tensor => tieOutputs(name, fn(...sources.slice(0, count)), dys);
    const found = releaseTape(() => reverse(loss, xs)).grads;
    return xs.map((x, i) => found[i] ?? zeros(x.shape));
  });
  return Object.fromEntries(wanted.map((key, i) => [key, () => grads[i]!.clone()]));
}

/** A scalar whose gradient with respect to each used output is that output's cotangent. */
function tieOutputs(name: string, outputs: readonly Tensor[], dys: readonly (Tensor | null)[]): Tensor {
  if (outputs.length !== dys.length) {
    throw new SpectraError('VALUE', {
      message: `it gave ${dys.length} outputs and then ${outputs.length}.`,
      where: name,
      fix: 'A recomputed layer must do the same both times.',
    });
  }
  const used = outputs.map((_, i) => i).filter(i => dys[i] !== null && outputs[i]!.dtype === 'float32');
  const tie = customGrad(() => ({
    value: scalar(0),
    gradFunc: () => used.map(i => dys[i]!.clone()),
  }));
  return tie(...used.map(i => outputs[i]!));
}
