/** The recurrent part of a GRU as one op: states from projected inputs, and their gradient through time. */
import { defineOp, wasmGemm } from '@spectra/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';
import { gruBackwardReference, gruForwardReference } from './kernels/reference/gru.ts';
import { gruBackwardOnHost, gruForwardOnHost } from './kernels/tensorflow/gru.ts';
import { kernels } from './kernels/wasm/module.ts';
import { gruForwardOnDevice } from './kernels/webgpu/gru.ts';
import { gruGradientOnDevice } from './kernels/webgpu/gru-gradient.ts';

export type GruInputs = {
  /** [B,S,3G] W x + b of every position, gates r, z, n. */
  projected: Tensor;
  /** [3G,G] and [3G], PyTorch's `weight_hh` and `bias_hh`. */
  weight: Tensor;
  bias: Tensor;
  /** [B,G] the state before the first position. */
  initial: Tensor;
  /** [B,S] 0 where the state passes unchanged. */
  mask?: Tensor;
  /** [B,S] 1 where the state restarts from 0. */
  documentStart?: Tensor;
};
export type GruGradientInputs = GruInputs & { states: Tensor; dStates: Tensor };

/** One output, states [B,S,G]. Nothing else is saved for the gradient: gates are computed anew. */
export const gruOp = defineOp<GruInputs, object>({
  name: 'GruSequence',
  reference: gruForwardReference,
  kernels: {
    wasm: ({ projected, weight, bias, initial, mask, documentStart }, _, call) => {
      const [B, S, G] = [projected.shape[0]!, projected.shape[1]!, weight.shape[1]!];
      const module = kernels(call.backend);
      const states = call.output([B, S, G]);
      const work = call.scratch(module.gruForwardWork(G));
      module.gruForward(
        B,
        S,
        G,
        call.address(projected),
        call.address(weight),
        call.address(bias),
        call.address(initial),
        call.addressOr0(mask),
        call.addressOr0(documentStart),
        call.address(states),
        work,
      );
      return [states];
    },
    webgpu: (inputs, _, backend) => gruForwardOnDevice(inputs, backend),
    tensorflow: inputs => (inputs.projected.size === 0 ? undefined : gruForwardOnHost(inputs)),
  },
  gradient: ({ dys: [dStates], inputs, outputs: [states] }) => {
    const [projected, weight, bias, initial] = gruGradientOp(
      { ...inputs, states: states!, dStates: dStates! },
      {},
    );
    return { projected: projected!, weight: weight!, bias: bias!, initial: initial! };
  },
});

/** Gradients with respect to projected, weight, bias and initial. */
const gruGradientOp = defineOp<GruGradientInputs, object>({
  name: 'GruSequenceGradient',
  reference: gruBackwardReference,
  kernels: {
    wasm: (inputs, _, call) => {
      const [B, S, G] = inputs.states.shape as [number, number, number];
      const module = kernels(call.backend);
      const dProjected = call.output([B, S, 3 * G]);
      const dWeight = call.output([3 * G, G]);
      const dBias = call.output([3 * G]);
      const dInitial = call.output([B, G]);
      const dHidden = call.scratch(4 * B * S * 3 * G);
      const previous = call.scratch(4 * B * S * G);
      const work = call.scratch(module.gruBackwardWork(G));
      const [mask, start] = [call.addressOr0(inputs.mask), call.addressOr0(inputs.documentStart)];
      const [weight, states] = [call.address(inputs.weight), call.address(inputs.states)];
      module.gruPrevious(B, S, G, call.address(inputs.initial), mask, start, states, previous);
      wasmGemm(call, { a: previous, b: weight, c: dHidden, m: B * S, n: 3 * G, k: G, transposeB: true });
      module.gruBackward(
        B,
        S,
        G,
        call.address(inputs.projected),
        weight,
        call.address(inputs.bias),
        previous,
        mask,
        start,
        call.address(inputs.dStates),
        call.address(dProjected),
        call.address(dBias),
        call.address(dInitial),
        dHidden,
        work,
      );
      const dWeightAt = call.address(dWeight);
      wasmGemm(call, { a: dHidden, b: previous, c: dWeightAt, m: 3 * G, n: G, k: B * S, transposeA: true });
      return [dProjected, dWeight, dBias, dInitial];
    },
    webgpu: (inputs, _, backend) => gruGradientOnDevice(inputs, backend),
    tensorflow: inputs => (inputs.projected.size === 0 ? undefined : gruBackwardOnHost(inputs)),
  },
});
