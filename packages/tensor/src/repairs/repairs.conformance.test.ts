import { backendUnderTest, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkDevice } from '../check-device.ts';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { REPAIRS, type RepairName } from './install.ts';
import { installRepair, removeRepair } from './patch.ts';

beforeAll(testBackend);
const set = (on: boolean, name: RepairName): void =>
  (on ? installRepair : removeRepair)(name, REPAIRS[name], backendUnderTest());
beforeEach(() => {
  for (const name of Object.keys(REPAIRS) as RepairName[]) set(true, name);
});
afterAll(() => {
  for (const name of Object.keys(REPAIRS) as RepairName[]) set(true, name);
});

async function read(run: Case['run']): Promise<number[]> {
  const out = tf.tidy(run);
  const arrays = await Promise.all((Array.isArray(out) ? out : [out]).map(async t => [...(await t.data())]));
  tf.dispose(out);
  return arrays.flat();
}

/** Exact where the repair is at work; elsewhere a float sum may have another order. */
async function expectRight(c: Case): Promise<void> {
  const got = await read(c.run);
  const slack = c.backends.includes(backendUnderTest()) ? 0 : (c.slack ?? 0);
  const right = (v: number, i: number) =>
    Object.is(v, c.expected[i]) || Math.abs(v - c.expected[i]!) <= slack;
  if (got.length !== c.expected.length || !got.every(right)) expect(got).toEqual(c.expected);
}

/** Not what is expected, or an error, in one of a few tries: some faults come and go. */
async function faulty({ run, expected }: Case): Promise<boolean> {
  for (let i = 0; i < 5; i++) {
    const got = await read(run).catch(() => undefined);
    if (got === undefined || got.length !== expected.length || got.some((v, k) => !Object.is(v, expected[k])))
      return true;
  }
  return false;
}

describe('repairs', () => {
  it.each(cases.map(c => [c.repair, c.about, c] as const))('%s: %s', async (name, _about, c) => {
    await expectRight(c);
    set(false, name);
    if (c.backends.includes(backendUnderTest()))
      expect(await faulty(c), 'faulty without the repair').toBe(true);
    await checkDevice().catch(() => undefined); // what the faulty shader left
    set(true, name);
    const before = tf.memory().numTensors;
    await expectRight(c);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves the registrations as they were when they are taken off, in any order', () => {
    const names = Object.keys(REPAIRS) as RepairName[];
    const snapshot = () =>
      ['Sum', 'BatchMatMul', 'Transpose', 'Cumsum'].map(k => tf.getKernel(k, backendUnderTest())?.kernelFunc);
    for (const name of names) set(false, name);
    const stock = snapshot();
    for (const name of names) set(true, name);
    for (const name of [...names].reverse()) set(true, name);
    for (const name of names) set(false, name);
    expect(snapshot()).toEqual(stock);
  });

  it('has a case for every repair', () => {
    expect(new Set(cases.map(c => c.repair))).toEqual(new Set(Object.keys(REPAIRS)));
  });

  it('says of every repair what is wrong without it', () => {
    for (const repair of Object.values(REPAIRS)) expect(repair.fault).toMatch(/^[A-Za-z].*\.$/);
  });
});
