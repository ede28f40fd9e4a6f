/** Comparison with golden values at the tolerance that float32 arithmetic deserves. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { Tensor as TensorClass } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { toleranceFactor } from './backend.ts';
import type { GoldenArray } from './fixture.ts';

export type Actual = Tensor | GoldenArray | ArrayLike<number> | number;
export type Golden = GoldenArray | ArrayLike<number> | number;

export interface CloseOptions {
  /** The case's and the array's name, for the message. */
  readonly case?: string;
  readonly name?: string;
  /** The error of a plain float32 run (`fixture.error(case, name)`); 0 by default. */
  readonly error?: number;
  /** Widens the tolerance; 1 by default. */
  readonly factor?: number;
  /** An absolute tolerance in place of the formula (still times 10 on webgpu and times `factor`). */
  readonly tolerance?: number;
}

/**
 * Fails unless |actual − golden| ≤ 10·error + 1e-6·max|golden| at every element, times 10 on webgpu and times
 * `factor`. Integer and mask goldens are compared exactly unless a `tolerance` is given. Shapes must agree where
 * both sides have one. Equal infinities are equal; NaN equals nothing.
 */
export async function expectClose(actual: Actual, golden: Golden, options: CloseOptions = {}): Promise<void> {
  const ours = await valuesOf(actual);
  const theirs = await valuesOf(golden);
  const title = [options.case, options.name].filter(part => part !== undefined).join('.') || 'value';
  if (ours.shape !== undefined && theirs.shape !== undefined) {
    expect(ours.shape, `${title}: shape`).toEqual(theirs.shape);
  }
  expect(ours.data.length, `${title}: number of elements`).toBe(theirs.data.length);
  const exact = isInteger(golden) && options.tolerance === undefined;
  const base = options.tolerance ?? 10 * (options.error ?? 0) + 1e-6 * largestFinite(theirs.data);
  const tolerance = exact ? 0 : base * toleranceFactor() * (options.factor ?? 1);
  const worst = worstElement(ours.data, theirs.data);
  if (worst.difference <= tolerance) return;
  const beyond = countBeyond(ours.data, theirs.data, tolerance);
  const position = positionOf(worst.index, theirs.shape ?? ours.shape);
  expect.fail(
    `${title}${position}: golden ${theirs.data[worst.index]}, ours ${ours.data[worst.index]}, ` +
      `difference ${worst.difference.toExponential(3)}, tolerance ${tolerance.toExponential(3)}; ` +
      `${beyond} of ${ours.data.length} elements are beyond it.`,
  );
}

interface Values {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[] | undefined;
}

async function valuesOf(value: Actual): Promise<Values> {
  if (typeof value === 'number') return { data: [value], shape: undefined };
  if (value instanceof TensorClass) return { data: await value.data(), shape: value.shape };
  if ('data' in value) return { data: value.data, shape: value.shape };
  return { data: value as ArrayLike<number>, shape: undefined };
}

function isInteger(golden: Golden): boolean {
  return typeof golden === 'object' && 'dtype' in golden && (golden.dtype === 'I32' || golden.dtype === 'U8');
}

function difference(a: number, b: number): number {
  if (a === b) return 0; // also equal infinities
  const found = Math.abs(a - b);
  return Number.isNaN(found) ? Number.POSITIVE_INFINITY : found;
}

function worstElement(a: ArrayLike<number>, b: ArrayLike<number>): { index: number; difference: number } {
  let worst = { index: 0, difference: 0 };
  for (let i = 0; i < a.length; i++) {
    const found = difference(a[i]!, b[i]!);
    if (found > worst.difference) worst = { index: i, difference: found };
  }
  return worst;
}

function countBeyond(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (difference(a[i]!, b[i]!) > tolerance) count++;
  return count;
}

function largestFinite(data: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(data[i]!);
    if (size > largest && size !== Number.POSITIVE_INFINITY) largest = size;
  }
  return largest;
}

function positionOf(index: number, shape: readonly number[] | undefined): string {
  if (shape === undefined) return `[${index}]`;
  const parts: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    parts.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${parts.join(', ')}]`;
}
