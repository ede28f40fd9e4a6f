import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp } from './check.ts';
import { NdArray, zip } from './reference.ts';

beforeAll(testBackend);

const VALUES = [-Infinity, -100, -1, 0, 1, 100, Infinity, Number.NaN];
const x = new NdArray([VALUES.length], VALUES);
const pairs = { a: new NdArray([8, 1], VALUES), b: new NdArray([1, 8], VALUES) };

describe('infinities and NaN', () => {
  const UNARY: Record<string, readonly [(t: tf.Tensor) => tf.Tensor, (v: number) => number]> = {
    neg: [tf.neg, v => -v],
    abs: [tf.abs, Math.abs],
    exp: [tf.exp, v => Math.fround(Math.exp(v))],
    log: [t => tf.log(tf.abs(t)), v => Math.log(Math.abs(v))],
    sqrt: [t => tf.sqrt(tf.abs(t)), v => Math.sqrt(Math.abs(v))],
    square: [tf.square, v => v * v],
    sigmoid: [tf.sigmoid, v => 1 / (1 + Math.exp(-v))],
    tanh: [tf.tanh, Math.tanh],
    softplus: [tf.softplus, v => (v > 50 ? v : Math.log1p(Math.exp(v)))],
    relu: [tf.relu, v => (v > 0 || Number.isNaN(v) ? v : 0)],
    'clip by value': [t => tf.clipByValue(t, -2, 2), v => Math.min(Math.max(v, -2), 2)],
    isNaN: [t => tf.cast(tf.isNaN(t), 'float32'), v => Number(Number.isNaN(v))],
    isFinite: [t => tf.cast(tf.isFinite(t), 'float32'), v => Number(Number.isFinite(v))],
    isInf: [t => tf.cast(tf.isInf(t), 'float32'), v => Number(Math.abs(v) === Infinity)],
  };

  it.each(Object.keys(UNARY))('%s', async name => {
    const [op, f] = UNARY[name]!;
    await checkOp(name, {
      inputs: [x],
      op: op as never,
      reference: v => new NdArray(v!.shape, v!.data.map(f)),
      gradient: false,
      tolerance: 1e-7,
    });
  });

  const BINARY: Record<
    string,
    readonly [(a: tf.Tensor, b: tf.Tensor) => tf.Tensor, (a: number, b: number) => number]
  > = {
    add: [tf.add, (a, b) => a + b],
    sub: [tf.sub, (a, b) => a - b],
    mul: [tf.mul, (a, b) => a * b],
    maximum: [tf.maximum, Math.max],
    minimum: [tf.minimum, Math.min],
    less: [(a, b) => tf.cast(tf.less(a, b), 'float32'), (a, b) => Number(a < b)],
    'greater or equal': [(a, b) => tf.cast(tf.greaterEqual(a, b), 'float32'), (a, b) => Number(a >= b)],
    equal: [(a, b) => tf.cast(tf.equal(a, b), 'float32'), (a, b) => Number(a === b)],
    'not equal': [(a, b) => tf.cast(tf.notEqual(a, b), 'float32'), (a, b) => Number(a !== b)],
    'where less': [(a, b) => tf.where(tf.less(a, b), a, b), (a, b) => [b, a][Number(a < b)]!],
  };

  it.each(Object.keys(BINARY))('%s', async name => {
    const [op, f] = BINARY[name]!;
    await checkOp(name, {
      inputs: [pairs.a, pairs.b],
      op: op as never,
      reference: zip(f),
      gradient: false,
      tolerance: 1e-7,
    });
  });

  it('reductions', async () => {
    const rows = new NdArray(
      [4, 3],
      [1, -Infinity, 2, -Infinity, -Infinity, -Infinity, 3, Infinity, 1, 1, Number.NaN, 2],
    );
    const reduced = (data: number[]) => () => new NdArray([4], data);
    const check = (title: string, op: (t: tf.Tensor) => tf.Tensor, data: number[]) =>
      checkOp(title, { inputs: [rows], op: op as never, reference: reduced(data), gradient: false });
    await check('sum', t => tf.sum(t, 1), [-Infinity, -Infinity, Infinity, Number.NaN]);
    await check('max', t => tf.max(t, 1), [2, -Infinity, Infinity, Number.NaN]);
    await check('min', t => tf.min(t, 1), [-Infinity, -Infinity, 1, Number.NaN]);
  });

  it('softmax of masked scores', async () => {
    const scores = new NdArray([3, 3], [-Infinity, 0, 0, -1e9, 1, -1e30, 5, -Infinity, -Infinity]);
    await checkOp('softmax', {
      inputs: [scores],
      op: t => tf.softmax(t!),
      reference: () => new NdArray([3, 3], [0, 0.5, 0.5, 0, 1, 0, 1, 0, 0]),
      gradient: false,
    });
  });
});
