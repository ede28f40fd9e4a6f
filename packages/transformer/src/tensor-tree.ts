/** Plain objects with tensors in them as flat lists, for functions that take and return only tensors. */
import * as tf from '@tensorflow/tfjs-core';

/** A value's tensors in a fixed order, and how to make the value again with others in their places. */
export interface FlatTree<T> {
  readonly tensors: readonly tf.Tensor[];
  readonly rebuild: (tensors: readonly tf.Tensor[]) => T;
}

/** Takes apart plain objects and arrays; everything in them that is neither is kept as it is. */
export function flattenTree<T>(value: T): FlatTree<T> {
  const tensors: tf.Tensor[] = [];
  const build = flatten(value, tensors);
  return { tensors, rebuild: given => build(given) as T };
}

type Build = (tensors: readonly tf.Tensor[]) => unknown;

function flatten(value: unknown, into: tf.Tensor[]): Build {
  if (value instanceof tf.Tensor) {
    const place = into.push(value) - 1;
    return tensors => tensors[place];
  }
  if (Array.isArray(value)) {
    const parts = value.map(part => flatten(part, into));
    return tensors => parts.map(part => part(tensors));
  }
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([key, part]) => [key, flatten(part, into)] as const);
    return tensors => Object.fromEntries(parts.map(([key, part]) => [key, part(tensors)]));
  }
  return () => value;
}
