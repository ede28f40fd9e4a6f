/** Gradients of a function of named tensors. */
import * as tf from '@tensorflow/tfjs-core';

export interface Gradients<Names extends string> {
  readonly value: tf.Scalar;
  readonly gradients: Readonly<Record<Names, tf.Tensor>>;
}

/**
 * The value of a scalar function and its gradient with respect to each of `inputs` (float32). The caller owns
 * everything returned. An input that does not influence the value is an error, as in tfjs.
 */
export function gradientsOf<Names extends string>(
  f: (inputs: Readonly<Record<Names, tf.Tensor>>) => tf.Tensor,
  inputs: Readonly<Record<Names, tf.Tensor>>,
): Gradients<Names> {
  const names = Object.keys(inputs) as Names[];
  const byName = <T>(values: readonly T[]): Record<Names, T> =>
    Object.fromEntries(names.map((name, i) => [name, values[i]])) as Record<Names, T>;
  const { value, grads } = tf.valueAndGrads((...values: tf.Tensor[]) => f(byName(values)))(
    names.map(name => inputs[name]),
  );
  return { value: value as tf.Scalar, gradients: byName(grads) };
}

/** Σ over outputs of ⟨cotangent, output⟩: its gradient is the vector–Jacobian product the goldens hold. */
export function pairing(outputs: readonly tf.Tensor[], cotangents: readonly tf.Tensor[]): tf.Scalar {
  if (outputs.length !== cotangents.length) {
    throw new Error(`${outputs.length} outputs, but ${cotangents.length} cotangents.`);
  }
  return tf.tidy(() =>
    outputs.map((out, i) => tf.sum(tf.mul(out, cotangents[i]!))).reduce((a, b) => tf.add(a, b)),
  ) as tf.Scalar;
}
