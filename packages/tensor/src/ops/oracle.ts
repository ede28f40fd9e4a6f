/** For tests: checks an op and its gradient against a function of plain float64 arrays and its central differences. */
import { backendUnderTest, expectClose } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

export interface OracleCase {
  /** Differentiable inputs. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly op: (inputs: Record<string, tf.Tensor>) => tf.Tensor;
  readonly oracle: (inputs: Record<string, Float64Array>) => Float64Array;
  /** Inputs to differentiate; all by default. */
  readonly differentiate?: readonly string[];
  readonly seed?: number;
  readonly range?: number;
}

/** A fixed pseudo-random sequence in [−range, range), exact in float32. */
export function pseudoRandom(count: number, seed: number, range = 1): Float64Array {
  let state = Math.imul(seed + 1, 2654435761) | 1;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.fround(((state >> 8) / 2 ** 23) * range);
  });
}

/** Forward and, for every differentiated input, the gradient of ⟨cotangent, op⟩. Fails on a leak. */
export async function checkOp(c: OracleCase): Promise<void> {
  const names = Object.keys(c.shapes);
  const arrays = Object.fromEntries(
    names.map((name, i) => [
      name,
      pseudoRandom(tf.util.sizeFromShape([...c.shapes[name]!]), (c.seed ?? 0) + i, c.range),
    ]),
  );
  const before = tf.memory().numTensors;
  const inputs = Object.fromEntries(
    names.map(name => [name, tf.tensor(Float32Array.from(arrays[name]!), [...c.shapes[name]!])]),
  );
  const expected = c.oracle(arrays);
  const out = c.op(inputs);
  await expectClose(out, expected, { name: 'forward', tolerance: tolerance(expected) });

  const wrt = c.differentiate ?? names;
  const cotangent = pseudoRandom(out.size, 77);
  const dy = tf.tensor(Float32Array.from(cotangent), out.shape);
  const grads = tf.grads((...values: tf.Tensor[]) => {
    const given = { ...inputs, ...Object.fromEntries(wrt.map((name, i) => [name, values[i]!])) };
    return c.op(given);
  })(
    wrt.map(name => inputs[name]!),
    dy,
  );
  for (const [i, name] of wrt.entries()) {
    expect(grads[i]!.shape).toEqual([...c.shapes[name]!]);
    const exact = differences(c.oracle, arrays, name, cotangent);
    await expectClose(grads[i]!, exact, { name: `gradient of ${name}`, tolerance: tolerance(exact) });
  }
  tf.dispose([inputs, out, dy, grads]);
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
}

/** float32 against float64; the tensorflow backend may use its own fast transcendental functions. */
function tolerance(values: Float64Array): number {
  const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (backendUnderTest() === 'wasm' ? 4e-6 : 1e-5) * (1 + size);
}

/** d⟨cotangent, oracle⟩/d input by central differences in float64: exact to about 1e-9. */
function differences(
  oracle: OracleCase['oracle'],
  arrays: Record<string, Float64Array>,
  name: string,
  cotangent: Float64Array,
): Float64Array {
  const step = 1e-5;
  return arrays[name]!.map((value, i) => {
    const at = (x: number): number => {
      const moved = arrays[name]!.slice();
      moved[i] = x;
      return oracle({ ...arrays, [name]: moved }).reduce((sum, y, j) => sum + y * cotangent[j]!, 0);
    };
    return (at(value + step) - at(value - step)) / (2 * step);
  });
}
