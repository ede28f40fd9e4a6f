/**
 * The recurrence on the TensorFlow backend. It has no op for it: `GRUBlockCell` applies the reset gate before the product
 * with U where PyTorch's (and our) convention applies it after, and `CudnnRNNV3`, which knows that convention, runs on CUDA
 * only. Composed, a position takes some fifteen small ops of ten microseconds and more each; so the sequential part, and it
 * alone, runs in the wasm kernel on the host. What is one large product stays with TensorFlow.
 */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import * as binary from '../../generated/wasm.js';
import type { GruGradientInputs, GruInputs } from '../../gru-op.ts';
import type { RouterKernels } from '../wasm/module.ts';
import { HostModule } from './host-module.ts';

let instance: HostModule<RouterKernels> | undefined;

function host(): HostModule<RouterKernels> {
  instance ??= new HostModule<RouterKernels>(binary);
  return instance;
}

const read = (tensor: Tensor | undefined): Float32Array | undefined => tensor?.dataSync<'float32'>();

/** [states [B,S,G]] */
export function gruForwardOnHost(inputs: GruInputs): Tensor[] {
  const { projected, weight, bias, initial, mask, documentStart } = inputs;
  const [B, S, G] = [projected.shape[0]!, projected.shape[1]!, weight.shape[1]!];
  const on = host();
  return on.call(() => {
    const work = on.room(on.kernels.gruForwardWork(G));
    const given = [projected, weight, bias, initial, mask, documentStart].map(read).map(v => on.put(v));
    const states = on.room(4 * B * S * G);
    const [x, u, c, h0, live, start] = given as [number, number, number, number, number, number];
    on.kernels.gruForward(B, S, G, x, u, c, h0, live, start, states, work);
    return [tf.tensor3d(on.take(states, B * S * G), [B, S, G])];
  });
}

/** [projected, weight, bias, initial], their gradients. */
export function gruBackwardOnHost(inputs: GruGradientInputs): Tensor[] {
  const { projected, weight, bias, initial, mask, documentStart, states, dStates } = inputs;
  const [B, S, G] = states.shape as [number, number, number];
  const [values, flags] = [read(states)!, [mask, documentStart].map(read)];
  const on = host();
  const previous = on.call(() => {
    const [h, h0] = [on.put(values), on.put(read(initial))];
    const [live, start] = flags.map(flag => on.put(flag)) as [number, number];
    const to = on.room(4 * B * S * G);
    on.kernels.gruPrevious(B, S, G, h0, live, start, h, to);
    return on.take(to, B * S * G);
  });
  const before = tf.tensor2d(previous, [B * S, G]);
  const hidden = read(tf.matMul(before, weight as Tensor2D, false, true));
  return on.call(() => {
    const work = on.room(on.kernels.gruBackwardWork(G));
    const [x, u, c] = [projected, weight, bias].map(read).map(v => on.put(v)) as [number, number, number];
    const [live, start] = flags.map(flag => on.put(flag)) as [number, number];
    const [h, dy, dHidden] = [on.put(previous), on.put(read(dStates)), on.put(hidden)];
    const [dx, db, dh] = [3 * B * S * G, 3 * G, B * G].map(n => on.room(4 * n)) as [number, number, number];
    on.kernels.gruBackward(B, S, G, x, u, c, h, live, start, dy, dx, db, dh, dHidden, work);
    const atHidden = tf.tensor2d(on.take(dHidden, 3 * B * S * G), [B * S, 3 * G]);
    return [
      tf.tensor3d(on.take(dx, 3 * B * S * G), [B, S, 3 * G]),
      tf.matMul(atHidden, before, true, false),
      tf.tensor1d(on.take(db, 3 * G)),
      tf.tensor2d(on.take(dh, B * G), [B, G]),
    ];
  });
}
