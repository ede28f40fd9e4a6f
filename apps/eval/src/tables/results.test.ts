import { expect, it } from 'vitest';
import type { RunRow } from '../runs/row.ts';
import { asColumn } from './by-arm.ts';
import { LOSS, SPEED } from './metrics.ts';
import type { ArmResult } from './results.ts';

const row = (seed: number, loss: number, speed: number): RunRow =>
  ({
    seed,
    training: { tokens_per_second: speed },
    evaluation: { causal: { loss } },
  }) as unknown as RunRow;

const armOf = (rows: readonly RunRow[]): ArmResult =>
  ({ arm: 'a', label: 'a', rows, failures: [], missing: 0 }) as unknown as ArmResult;

it('shows means with deviations, but the median of what a clock measured', () => {
  const arm = armOf([row(0, 1, 100), row(1, 2, 110), row(2, 3, 1)]);
  expect(asColumn(LOSS).cell(arm)).toEqual({ value: 2, deviation: 1 });
  expect(asColumn(SPEED).cell(arm)).toEqual({ value: 100 });
  expect(asColumn(SPEED).cell(armOf([]))).toBeNull();
});
