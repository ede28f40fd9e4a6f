import { expect, it } from 'vitest';
import { trainingSpeed } from './training-speed.ts';

const step = (number: number, speed: number) => ({
  step: number,
  grad_norm: 1,
  train_tokens_per_second: speed,
});

it('is the speed of the median step: a pause does not move it, passes without gradients do not count', () => {
  const steps = [step(1, 10), step(2, 100), step(3, 110), step(4, 0.01), step(5, 120)];
  expect(trainingSpeed([...steps, { step: 6, train_tokens_per_second: 500 }])).toBe(100);
  expect(trainingSpeed(steps.slice(1, 3))).toBe(105);
});

it('is no number where nothing was trained', () => {
  expect(trainingSpeed([])).toBeNaN();
});
