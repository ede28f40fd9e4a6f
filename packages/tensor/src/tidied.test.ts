import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { setBackend, tidied } from './index.ts';

beforeAll(async () => {
  await setBackend('cpu');
});
afterEach(() => tf.disposeVariables());

/** How many tensors are alive after `f` that were not before. */
function left(f: () => void): number {
  const before = tf.memory().numTensors;
  f();
  return tf.memory().numTensors - before;
}

describe('tidied', () => {
  it('keeps what is anywhere in the result, once, and disposes the rest', () => {
    const outside = tf.scalar(1);
    let result:
      | { a: tf.Tensor; list: readonly { b: tf.Tensor }[]; same: tf.Tensor; other: unknown }
      | undefined;
    const made = left(() => {
      result = tidied(() => {
        const a = tf.scalar(2).add(outside);
        const b = a.mul(3);
        return { a, list: [{ b }], same: a, other: [1, 'x', undefined, null, new Float32Array(3), outside] };
      });
    });
    expect(made).toBe(2);
    expect(result!.list[0]!.b.arraySync()).toBe(9);
    expect(left(() => tf.dispose([result!.a, result!.list[0]!.b]))).toBe(-2);
    expect(outside.isDisposed).toBe(false);
    outside.dispose();
  });

  it('gives the result to the scope around it, of either kind', () => {
    const run = (): void => {
      const inner = tidied(() => tidied(() => [tf.scalar(1), tf.scalar(2)]));
      expect(inner[1]!.arraySync()).toBe(2);
    };
    expect(left(() => tidied(run))).toBe(0);
    expect(left(() => tf.tidy(run))).toBe(0);
    expect(left(() => tf.dispose(tidied(() => tf.tidy(() => tf.scalar(1)))))).toBe(0);
  });

  it('leaves kept tensors, variables and those of outer scopes alone', () => {
    let kept: tf.Tensor | undefined;
    const variable = tf.variable(tf.scalar(1));
    const made = left(() => {
      tf.tidy(() => {
        const outer = tf.scalar(5);
        const [found] = tidied(() => {
          kept = tf.keep(tf.scalar(4));
          return [outer, kept, variable];
        });
        expect(found!.isDisposed).toBe(false);
        expect(tidied(() => outer).isDisposed).toBe(false);
      });
    });
    expect(made).toBe(1); // the kept one
    expect(kept!.kept).toBe(true);
    expect(variable.isDisposed).toBe(false);
    kept!.dispose();
  });

  it('disposes all when it throws, and differentiates', () => {
    const broken = (): void => {
      tidied(() => {
        tf.scalar(1);
        throw new Error('no');
      });
    };
    expect(left(() => expect(broken).toThrow('no'))).toBe(0);
    const gradient = tf.grad(x => tidied(() => ({ y: x.square().mul(3) })).y);
    expect(gradient(tf.scalar(2)).arraySync()).toBe(12);
  });
});
