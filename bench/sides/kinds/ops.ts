/** Single tfjs ops, whose wasm kernels `@spectra/tensor` replaces: the same call on both sides, only the kernel differs. */
import type { Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Params } from '../../protocol.ts';
import type { Work } from '../serve.ts';
import { forwardWork, tensorOf } from '../tape.ts';

type Tensors = Readonly<Record<string, tf.Tensor>>;

/** Rows of the large operand; its other side is a quarter. */
const ROWS = 2048;

const x = ({ x }: Tensors): tf.Tensor => x!;

export const OPS: Readonly<Record<string, (inputs: Tensors) => tf.Tensor>> = {
  'transpose [N,D]': i => tf.transpose(x(i)),
  'transpose [B,S,h,d] 0213': ({ heads }) => tf.transpose(heads!, [0, 2, 1, 3]),
  'sum over axis 0': i => tf.sum(x(i), 0),
  'sum over axis 1': i => tf.sum(x(i), 1),
  'mean of all': i => tf.mean(x(i)),
  'max over axis 0': i => tf.max(x(i), 0),
  'max over axis 1': i => tf.max(x(i), 1),
  softmax: i => tf.softmax(x(i)),
  exp: i => tf.exp(x(i)),
  log: i => tf.log(x(i)),
  sigmoid: i => tf.sigmoid(x(i)),
  tanh: i => tf.tanh(x(i)),
  softplus: i => tf.softplus(x(i)),
  sqrt: i => tf.sqrt(x(i)),
  rsqrt: i => tf.rsqrt(x(i)),
  reciprocal: i => tf.reciprocal(x(i)),
  erf: i => tf.erf(x(i)),
  'maximum, same shape': ({ x, y }) => tf.maximum(x!, y!),
  'maximum with a column': ({ x, column }) => tf.maximum(x!, column!),
  'greater, same shape': ({ x, y }) => tf.cast(tf.greater(x!, y!), 'float32'),
  where: ({ x, y }) => tf.where(tf.greater(x!, 1), x!, y!),
  'cast to int32': i => tf.cast(x(i), 'int32'),
  'slice of 16 rows': i => tf.slice(x(i), [16, 0], [16, -1]),
  'slice of half the columns': i => tf.slice(x(i), [0, 0], [-1, x(i).shape[1]! / 2]),
  'tile of a row': ({ row }) => tf.tile(row!, [ROWS, 1]),
  'tile of a column': ({ column }) => tf.tile(column!, [1, ROWS / 4]),
  'gather of rows': ({ x, ids }) => tf.gather(x!, ids as tf.Tensor1D),
  'matmul 2048×128·128×512': ({ tokens, up }) => tf.matMul(tokens!, up!),
  'matmul 8×64·64×192': ({ few, wide }) => tf.matMul(few!, wide!),
  'matmul 1×128·128×512': ({ one, up }) => tf.matMul(one!, up!),
};

/** Operands of all of them; an op reads those it names. */
export function opInputs(rng: Rng): Arrays {
  const uniform = (shape: readonly number[], low = 0.1, high = 2) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform(low, high)),
  });
  return {
    x: uniform([ROWS, ROWS / 4]),
    y: uniform([ROWS, ROWS / 4]),
    column: uniform([ROWS, 1]),
    row: uniform([1, ROWS / 4]),
    heads: uniform([8, 256, 4, 32]),
    ids: { shape: [ROWS], data: Int32Array.from({ length: ROWS }, (_, i) => (i * 37) % ROWS) },
    tokens: uniform([2048, 128], -1, 1),
    up: uniform([128, 512], -1, 1),
    few: uniform([8, 64], -1, 1),
    wide: uniform([64, 192], -1, 1),
    one: uniform([1, 128], -1, 1),
  };
}

export function opWork({ op }: Params, inputs: Arrays): Work {
  const compute = OPS[op as string]!;
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, tensorOf(array)]));
  return forwardWork(() => ({ y: compute(tensors) }), Object.values(tensors));
}

/** C = A·B with either operand stored transposed. */
export function gemmWork({ transposeA, transposeB }: Params, inputs: Arrays): Work {
  const [a, b] = [tensorOf(inputs.a!), tensorOf(inputs.b!)];
  return forwardWork(() => ({ c: tf.matMul(a, b, transposeA as boolean, transposeB as boolean) }), [a, b]);
}
