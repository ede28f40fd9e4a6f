import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { BACKEND_NAMES, type BackendName } from '../define-op.ts';
import { SpectraError } from '../errors.ts';
import { probeBackends, setBackend } from '../index.ts';
import { AUTO_ORDER, suitsAuto } from './auto-order.ts';
import { missing } from './report.ts';

const before = process.env.SPECTRA_TFJS_NODE;
process.env.SPECTRA_TFJS_NODE = '/nowhere/tfjs-node';
afterAll(() => {
  if (before === undefined) delete process.env.SPECTRA_TFJS_NODE;
  else process.env.SPECTRA_TFJS_NODE = before;
});

describe('setBackend', () => {
  it('selects wasm and cpu and says what they are', async () => {
    const wasm = await setBackend('wasm');
    expect(wasm).toMatchObject({ name: 'wasm', available: true, gpu: false, passedOver: [] });
    expect(wasm.features).toContain('simd');
    expect(tf.getBackend()).toBe('wasm');
    expect((await setBackend('cpu')).device).toBe('JavaScript');
    expect(tf.getBackend()).toBe('cpu');
    const again = await setBackend('wasm');
    expect(again).toEqual(wasm);
  });

  it('throws BACKEND_MISSING with reason and fix for a backend that cannot run here', async () => {
    const error = await setBackend('tensorflow').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SpectraError);
    expect(error).toMatchObject({ code: 'BACKEND_MISSING', where: 'setBackend' });
    expect((error as SpectraError).message).toContain(
      'SPECTRA_TFJS_NODE=/nowhere/tfjs-node holds no package',
    );
    expect((error as SpectraError).fix).toContain('Install @tensorflow/tfjs-node');
    expect(tf.getBackend()).toBe('wasm');
  });

  it('refuses an unknown name', async () => {
    await expect(setBackend('webgl' as BackendName)).rejects.toMatchObject({ code: 'VALUE' });
  });

  it('takes with auto what suits, and names what it passed over', async () => {
    const { name, passedOver } = await setBackend('auto');
    expect(passedOver.map(finding => finding.name)).toEqual(AUTO_ORDER.slice(0, AUTO_ORDER.indexOf(name)));
    for (const finding of passedOver) expect(suitsAuto(finding)).toBe(false);
    await setBackend('wasm');
  });
});

describe('probeBackends', () => {
  it('has a finding for each backend and selects none', async () => {
    const findings = await probeBackends();
    expect(findings.map(finding => finding.name).sort()).toEqual([...BACKEND_NAMES].sort());
    for (const { available, reason, fix } of findings) {
      expect(reason === undefined).toBe(available);
      expect(fix === undefined).toBe(available);
    }
    expect(tf.getBackend()).toBe('wasm');
  });
});

describe('suitsAuto', () => {
  const found = (name: BackendName, gpu: boolean) => ({
    name,
    available: true,
    gpu,
    device: 'x',
    features: [],
  });
  it('wants a GPU of the GPU backends', () => {
    expect(AUTO_ORDER.map(name => suitsAuto(found(name, true)))).toEqual([true, true, true, true]);
    expect(AUTO_ORDER.map(name => suitsAuto(found(name, false)))).toEqual([false, false, true, true]);
    expect(suitsAuto(missing('wasm', 'a', 'b'))).toBe(false);
  });
});
