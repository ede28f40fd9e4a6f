/**
 * The recurrence and its gradient in plain tfjs ops, written as in PyTorch's `nn.GRU`:
 *
 *     r = σ(x_r + U_r h + c_r)   z = σ(x_z + U_z h + c_z)   n = tanh(x_n + r ⊙ (U_n h + c_n))
 *     h' = (1 − z) ⊙ n + z ⊙ h
 */
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { GruGradientInputs, GruInputs } from '../../gru-op.ts';

/** One cell step: projected inputs [B,3G], state [B,G] → state [B,G]. */
function cellStep(projected: Tensor2D, h: Tensor2D, weightT: Tensor2D, bias: Tensor): Tensor2D {
  const G = h.shape[1];
  const hidden = tf.add(tf.matMul(h, weightT), bias);
  const part = (x: Tensor, gate: number, gates = 1) => tf.slice(x, [0, gate * G], [-1, gates * G]);
  const rz = tf.sigmoid(tf.add(part(projected, 0, 2), part(hidden, 0, 2)));
  const [r, z] = [part(rz, 0), part(rz, 1)];
  const n = tf.tanh(tf.add(part(projected, 2), tf.mul(r, part(hidden, 2))));
  return tf.add(n, tf.mul(z, tf.sub(h, n)));
}

export function gruForwardReference(inputs: GruInputs): Tensor[] {
  const { projected, weight, bias, initial, mask, documentStart } = inputs;
  const [B, S, G3] = projected.shape as [number, number, number];
  if (B * S === 0) return [tf.zeros([B, S, G3 / 3])];
  const weightT = tf.transpose(weight as Tensor2D);
  const steps = tf.unstack(projected, 1) as Tensor2D[];
  const live = columns(mask);
  const starts = columns(documentStart);
  const states: Tensor2D[] = [];
  let h = initial as Tensor2D;
  for (let s = 0; s < S; s++) {
    h = tf.tidy(() => {
      // 0/1 factors: exact, and a document that starts does not see the state before it
      const before = starts === undefined ? h : tf.mul(h, tf.sub(1, starts[s]!));
      const next = cellStep(steps[s]!, before as Tensor2D, weightT, bias);
      if (live === undefined) return next;
      return tf.add(tf.mul(next, live[s]!), tf.mul(before, tf.sub(1, live[s]!)));
    });
    states.push(h);
  }
  return [tf.stack(states, 1)];
}

/**
 * Back-propagation through time: everything that does not depend on the cotangent of the state is computed for
 * all positions at once from the saved states; the loop carries nothing but that cotangent.
 */
export function gruBackwardReference(inputs: GruGradientInputs): Tensor[] {
  const { projected, weight, bias, initial, mask, documentStart, states, dStates } = inputs;
  const [B, S, G] = states.shape as [number, number, number];
  if (B * S === 0) {
    return [tf.zeros([B, S, 3 * G]), tf.zeros([3 * G, G]), tf.zeros([3 * G]), tf.zeros([B, G])];
  }
  const continues = documentStart === undefined ? undefined : tf.sub(1, tf.expandDims(documentStart, 2));
  const live = mask === undefined ? undefined : tf.expandDims(mask, 2);
  const masked = (x: Tensor, factor: Tensor | undefined) => (factor === undefined ? x : tf.mul(x, factor));

  const shifted = tf.concat([tf.expandDims(initial, 1), tf.slice(states, [0, 0, 0], [-1, S - 1, -1])], 1);
  const before = masked(shifted, continues) as Tensor3D;
  const before2d = tf.reshape(before, [B * S, G]);
  const hidden = tf.reshape(tf.add(tf.matMul(before2d, tf.transpose(weight as Tensor2D)), bias), [
    B,
    S,
    3 * G,
  ]);
  const part = (x: Tensor, gate: number) => tf.slice(x, [0, 0, gate * G], [-1, -1, G]);
  const gate = (i: number): [Tensor, Tensor] => {
    const a = tf.add(part(projected, i), part(hidden, i));
    return [tf.sigmoid(a), tf.sigmoid(tf.neg(a))]; // 1 − σ(a) is 0 in float32 long before σ(−a) is
  };
  const [r, notR] = gate(0);
  const [z, notZ] = gate(1);
  const a = tf.add(part(projected, 2), tf.mul(r, part(hidden, 2)));
  const n = tf.tanh(a);

  // what a cotangent of h' is multiplied with at each pre-activation; 1 − tanh²(a) = 4 σ(2a) σ(−2a)
  const atN = tf.mul(notZ, tf.mul(4, tf.mul(tf.sigmoid(tf.mul(2, a)), tf.sigmoid(tf.mul(-2, a)))));
  const atR = tf.mul(tf.mul(atN, part(hidden, 2)), tf.mul(r, notR));
  const atZ = tf.mul(tf.sub(before, n), tf.mul(z, notZ));
  const toProjected = masked(tf.concat([atR, atZ, atN], 2), live);
  const toHidden = masked(tf.concat([atR, atZ, tf.mul(atN, r)], 2), live);
  const direct = live === undefined ? z : tf.add(tf.mul(z, live), tf.sub(1, live));

  const cotangents = cotangentsOf({
    dStates,
    factors: masked(toHidden, continues),
    direct: masked(direct, continues),
    weight,
  });
  const totals = tf.slice(cotangents, [0, 1, 0], [-1, S, -1]);
  const all = tf.tile(totals, [1, 1, 3]);
  const atHidden2d = tf.reshape(tf.mul(all, toHidden), [B * S, 3 * G]) as Tensor2D;
  return [
    tf.mul(all, toProjected),
    tf.matMul(atHidden2d, before2d as Tensor2D, true, false),
    tf.sum(atHidden2d, 0),
    tf.reshape(tf.slice(cotangents, [0, 0, 0], [-1, 1, -1]), [B, G]),
  ];
}

/**
 * The loop of the gradient. With d_s the cotangent of the state after position s and factors [B,S,3G] those of the
 * pre-activations, position s hands d_s ⊙ direct_s + (d_s ⊙ factors_s) · weight to the state before it.
 *
 * @returns [B,S+1,G]: the cotangent of the state before the first position, then that of the state after each.
 */
function cotangentsOf({
  dStates,
  factors,
  direct,
  weight,
}: Readonly<Record<'dStates' | 'factors' | 'direct' | 'weight', Tensor>>): Tensor {
  const [B, S, G] = dStates.shape as [number, number, number];
  const given = tf.unstack(dStates, 1);
  const directs = tf.unstack(direct, 1);
  const atHidden = tf.unstack(factors, 1);
  const totals: Tensor[] = [];
  let carried: Tensor = tf.zeros([B, G]);
  for (let s = S - 1; s >= 0; s--) {
    const total = tf.add(given[s]!, carried);
    totals.unshift(total);
    carried = tf.tidy(() => {
      const d = tf.mul(tf.tile(total, [1, 3]), atHidden[s]!) as Tensor2D;
      return tf.add(tf.mul(total, directs[s]!), tf.matMul(d, weight as Tensor2D));
    });
  }
  return tf.stack([carried, ...totals], 1);
}

/** [B,S] → S columns [B,1], each 0 or 1. */
function columns(flags: Tensor | undefined): Tensor[] | undefined {
  return flags === undefined ? undefined : tf.unstack(tf.expandDims(flags, 2), 1);
}
