import { backendUnderTest, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp, distinct, integers, intTensor, sample, uniform } from './check.ts';
import { map, type NdArray, zip } from './reference.ts';

beforeAll(testBackend);

const SHAPES = [[], [1], [7], [3, 5], [2, 1, 4], [2, 3, 1, 2], [1, 2, 2, 1, 3], [0], [2, 0, 3]];

interface Unary {
  readonly op: (x: tf.Tensor) => tf.Tensor;
  readonly f: (x: number) => number;
  readonly domain?: (name: string, shape: readonly number[]) => NdArray;
  readonly gradient?: false;
  readonly tolerance?: number;
}

const positive = (name: string, shape: readonly number[]) => uniform(name, shape, 0.2, 4);
const inner = (name: string, shape: readonly number[]) => uniform(name, shape, -0.9, 0.9);

const trigonometric = backendUnderTest() === 'webgpu' ? 5e-5 : 1e-6;

const UNARY: Record<string, Unary> = {
  neg: { op: tf.neg, f: x => -x },
  abs: { op: tf.abs, f: Math.abs, domain: distinct },
  exp: { op: tf.exp, f: Math.exp },
  expm1: { op: tf.expm1, f: Math.expm1 },
  log: { op: tf.log, f: Math.log, domain: positive },
  log1p: { op: tf.log1p, f: Math.log1p, domain: positive },
  sqrt: { op: tf.sqrt, f: Math.sqrt, domain: positive },
  rsqrt: { op: tf.rsqrt, f: x => 1 / Math.sqrt(x), domain: positive },
  square: { op: tf.square, f: x => x * x },
  reciprocal: { op: tf.reciprocal, f: x => 1 / x, domain: positive },
  relu: { op: tf.relu, f: x => Math.max(x, 0), domain: distinct },
  sigmoid: { op: tf.sigmoid, f: x => 1 / (1 + Math.exp(-x)) },
  tanh: { op: tf.tanh, f: Math.tanh },
  softplus: { op: tf.softplus, f: x => Math.log1p(Math.exp(x)) },
  erf: { op: tf.erf, f: erf, domain: inner },
  // WGSL asks for 2^-11 only
  sin: { op: tf.sin, f: Math.sin, tolerance: trigonometric },
  cos: { op: tf.cos, f: Math.cos, tolerance: trigonometric },
  elu: { op: tf.elu, f: x => (x > 0 ? x : Math.expm1(x)), domain: distinct },
  sign: { op: tf.sign, f: Math.sign, domain: distinct },
  step: { op: x => tf.step(x), f: x => (x > 0 ? 1 : 0), domain: distinct },
  floor: { op: tf.floor, f: Math.floor, domain: distinct, gradient: false },
  ceil: { op: tf.ceil, f: Math.ceil, domain: distinct, gradient: false },
  'clip by value': {
    op: x => tf.clipByValue(x, -0.3, 0.3),
    f: x => Math.min(Math.max(x, -0.3), 0.3),
    domain: distinct,
  },
  'power 3': { op: x => tf.pow(x, 3), f: x => x ** 3, domain: positive, tolerance: 5e-6 },
};

/** Σ of the Taylor series: fast and exact to 1e-16 within [−1, 1]. */
function erf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; n < 40; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

describe('unary operations', () => {
  it.each(Object.keys(UNARY))('%s', async name => {
    const { op, f, domain = sample, ...rest } = UNARY[name]!;
    for (const shape of SHAPES) {
      await checkOp(`${name} [${shape}]`, {
        inputs: [domain(name, shape)],
        op,
        reference: x => map(x, f),
        ...rest,
      });
    }
  });
});

const PAIRS: (readonly [number[], number[]])[] = [
  [[], []],
  [[3], []],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[4], [2, 3, 4]],
  [
    [2, 3, 1],
    [2, 1, 4],
  ],
  [
    [2, 1, 2, 1, 3],
    [1, 2, 1, 2, 3],
  ],
  [[0, 3], [3]],
  [
    [2, 0],
    [2, 1],
  ],
  [
    [2, 2, 2, 2],
    [2, 2, 2, 2],
  ],
];

interface Binary {
  readonly op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
  readonly f: (a: number, b: number) => number;
  readonly domain?: (name: string, shape: readonly number[]) => NdArray;
  readonly dtype?: tf.DataType;
  readonly tolerance?: number;
}

const bool = (f: (a: number, b: number) => boolean) => (a: number, b: number) => Number(f(a, b));

const BINARY: Record<string, Binary> = {
  add: { op: tf.add, f: (a, b) => a + b },
  sub: { op: tf.sub, f: (a, b) => a - b },
  mul: { op: tf.mul, f: (a, b) => a * b },
  div: { op: tf.div, f: (a, b) => a / b, domain: positive },
  pow: { op: tf.pow, f: (a, b) => a ** b, domain: positive, tolerance: 5e-6 },
  maximum: { op: tf.maximum, f: Math.max },
  minimum: { op: tf.minimum, f: Math.min },
  'squared difference': { op: tf.squaredDifference, f: (a, b) => (a - b) ** 2 },
  'divide, 0 by 0 left out': { op: tf.divNoNan, f: (a, b) => (b === 0 ? 0 : a / b), domain: positive },
};

const COMPARE: Record<string, Binary> = {
  equal: { op: tf.equal, f: bool((a, b) => a === b) },
  'not equal': { op: tf.notEqual, f: bool((a, b) => a !== b) },
  less: { op: tf.less, f: bool((a, b) => a < b) },
  'less or equal': { op: tf.lessEqual, f: bool((a, b) => a <= b) },
  greater: { op: tf.greater, f: bool((a, b) => a > b) },
  'greater or equal': { op: tf.greaterEqual, f: bool((a, b) => a >= b) },
};

const INTEGER: Record<string, Binary> = {
  add: { op: tf.add, f: (a, b) => a + b, dtype: 'int32' },
  sub: { op: tf.sub, f: (a, b) => a - b, dtype: 'int32' },
  mul: { op: tf.mul, f: (a, b) => a * b, dtype: 'int32' },
  maximum: { op: tf.maximum, f: Math.max, dtype: 'int32' },
  minimum: { op: tf.minimum, f: Math.min, dtype: 'int32' },
  'floor division': {
    op: (a, b) => tf.floorDiv(a, shifted(b)),
    f: (a, b) => Math.floor(a / (b + 5)),
    dtype: 'int32',
  },
  remainder: {
    op: (a, b) => tf.mod(a, shifted(b)),
    f: (a, b) => ((a % (b + 5)) + b + 5) % (b + 5),
    dtype: 'int32',
  },
  ...Object.fromEntries(Object.entries(COMPARE).map(([name, c]) => [name, { ...c, dtype: 'bool' as const }])),
};
const shifted = (b: tf.Tensor) => tf.add(b, tf.scalar(5, 'int32'));

describe('binary operations', () => {
  it.each(Object.keys(BINARY))('%s', async name => {
    const { op, f, domain = sample, ...rest } = BINARY[name]!;
    for (const [a, b] of PAIRS) {
      const inputs = [domain(`${name} a`, a), domain(`${name} b`, b)];
      const gradient = name !== 'divide, 0 by 0 left out';
      await checkOp(`${name} [${a}] [${b}]`, {
        inputs,
        op: op as never,
        reference: zip(f),
        gradient,
        ...rest,
      });
    }
  });

  it.each(Object.keys(COMPARE))('%s of float32', async name => {
    const { op, f } = COMPARE[name]!;
    for (const [a, b] of PAIRS) {
      const inputs = [integers(`${name} a`, a, 0, 2), integers(`${name} b`, b, 0, 2)];
      await checkOp(`${name} [${a}] [${b}]`, { inputs, op: op as never, reference: zip(f), dtype: 'bool' });
    }
  });

  it.each(Object.keys(INTEGER))('%s of int32', async name => {
    const { op, f, dtype } = INTEGER[name]!;
    for (const [a, b] of PAIRS) {
      const [x, y] = [integers(`${name} a`, a, -4, 5), integers(`${name} b`, b, -4, 5)];
      await checkOp(`${name} [${a}] [${b}]`, {
        inputs: [],
        op: () => op(intTensor(x), intTensor(y)),
        reference: () => zip(f)(x, y),
        dtype: dtype!,
      });
    }
  });
});

describe('logical operations, choice and cast', () => {
  const truth = (name: string, shape: readonly number[]) => integers(name, shape, 0, 2);
  const asBool = (x: NdArray) => tf.cast(intTensor(x), 'bool');

  it.each([
    ['and', tf.logicalAnd, (a: number, b: number) => a & b],
    ['or', tf.logicalOr, (a: number, b: number) => a | b],
    ['xor', tf.logicalXor, (a: number, b: number) => a ^ b],
  ] as const)('%s', async (name, op, f) => {
    for (const [a, b] of PAIRS) {
      const [x, y] = [truth(`${name} a`, a), truth(`${name} b`, b)];
      await checkOp(`${name} [${a}] [${b}]`, {
        inputs: [],
        op: () => op(asBool(x), asBool(y)),
        reference: () => zip(f)(x, y),
        dtype: 'bool',
      });
    }
  });

  it('not', async () => {
    for (const shape of SHAPES) {
      const x = truth('not', shape);
      await checkOp(`not [${shape}]`, {
        inputs: [],
        op: () => tf.logicalNot(asBool(x)),
        reference: () => map(x, v => 1 - v),
        dtype: 'bool',
      });
    }
  });

  it('where', async () => {
    for (const shape of SHAPES) {
      const c = truth('where', shape);
      await checkOp(`where [${shape}]`, {
        inputs: [sample('where a', shape), sample('where b', shape)],
        op: (a, b) => tf.where(asBool(c), a!, b!),
        reference: (a, b) => zip((t, x, y) => (t ? x : y))(c, a!, b!),
      });
    }
  });

  it.each([
    ['float32', 'int32', Math.trunc],
    ['float32', 'bool', (x: number) => Number(x !== 0)],
    ['int32', 'float32', (x: number) => x],
    ['int32', 'bool', (x: number) => Number(x !== 0)],
  ] as const)('cast of %s to %s', async (from, to, f) => {
    for (const shape of SHAPES) {
      const x =
        from === 'int32'
          ? integers('cast', shape, -3, 4)
          : map(integers('cast', shape, -6, 7), v => v * 0.75);
      await checkOp(`cast [${shape}]`, {
        inputs: [],
        op: () => tf.cast(tf.tensor([...x.data], [...shape], from), to),
        reference: () => map(x, f),
        dtype: to,
        gradient: false,
      });
    }
  });

  it('cast of bool to float32 and int32', async () => {
    const x = truth('cast', [2, 3]);
    for (const to of ['float32', 'int32'] as const) {
      await checkOp(`cast to ${to}`, {
        inputs: [],
        op: () => tf.cast(asBool(x), to),
        reference: () => x,
        dtype: to,
        gradient: false,
      });
    }
  });
});
