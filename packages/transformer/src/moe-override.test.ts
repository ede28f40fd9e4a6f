import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { describe, expect, it } from 'vitest';
import { describeModel, MOE_OVERRIDE, type MoeOverrideInput } from './index.ts';

function described(name: string, override: MoeOverrideInput) {
  const path = join(workspaceRoot(), 'fixtures', 'hf', name, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  return describeModel({ ...config, [MOE_OVERRIDE]: override });
}
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
const whole = { experts: 4, k: 2, intermediate_size: 8, router: {} } as const;

describe('spectra_moe in config.json', () => {
  it('makes a mixture of experts of a dense family, with its activation and biases', () => {
    const { architecture, config } = described('gpt2', { ...whole, layers: [2], scale: 3 });
    expect(architecture.moe).toMatchObject({ experts: 4, k: 2, intermediate: 8, scale: 3 });
    expect(architecture.moe).toMatchObject({ activation: 'gelu', bias: true, router: { kind: 'spectra' } });
    expect(architecture.layers.map(({ sparse }) => sparse)).toEqual([false, false, true]);
    expect(config[MOE_OVERRIDE]).toMatchObject({ layers: [2] });
  });

  it('changes only the router of a mixture', () => {
    const router = { kind: 'cosine' } as const;
    const [{ architecture: before }, { architecture: after }] = [
      described('deepseek_v3', {}),
      described('deepseek_v3', { router, scale: 2.5 }),
    ];
    expect(after.layers).toEqual(before.layers);
    expect(after.moe).toEqual({ ...before.moe, scale: 2.5, router: after.moe!.router });
    expect(after.moe!.router.kind).toBe('cosine');
  });

  it.each<[MoeOverrideInput, RegExp]>([
    [{ experts: 4 }, /k is missing/],
    [{ ...whole, k: 5 }, /k 5 is more than the 4 experts/],
    [{ ...whole, layers: [3] }, /no layer 3/],
    [{ ...whole, router: { kind: 'spectra', groups: 3 } }, /multiples of the router's groups 3/],
    [{ ...whole, colour: 'red' } as MoeOverrideInput, /colour/],
    [{ ...whole, copies: 3 }, /multiples of the router's groups 1 times the copies 3/],
    [{ ...whole, format_version: 2 } as unknown as MoeOverrideInput, /format_version/],
  ])('%j is no mixture', (override, message) => {
    expect(() => described('llama', override)).toThrow(invalid(message));
  });
});
