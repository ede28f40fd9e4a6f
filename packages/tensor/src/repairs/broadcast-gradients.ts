/** Gradients of binary operations whose inputs are broadcast. */
import type { GradConfig, Tensor } from '@tensorflow/tfjs-core';
import { reshape, sum, zeros } from '@tensorflow/tfjs-core';
import type { GradientWrap, Repair } from './repair.ts';

/** All of these save their two inputs. */
const NAMES = [
  'Add',
  'Sub',
  'Multiply',
  'RealDiv',
  'Pow',
  'Maximum',
  'Minimum',
  'SquaredDifference',
] as const;

const wrap: GradientWrap = stock => {
  const { gradFunc, ...config } = stock as GradConfig;
  return {
    ...config,
    gradFunc: (dy, saved, attrs) => {
      const [a, b] = saved as [Tensor, Tensor];
      if ((dy as Tensor).size === 0) return { a: () => zeros(a.shape), b: () => zeros(b.shape) };
      const grads = gradFunc(dy, saved, attrs) as { a: () => Tensor; b: () => Tensor };
      return { a: () => unbroadcast(grads.a(), a.shape), b: () => unbroadcast(grads.b(), b.shape) };
    },
  };
};

/** Sums over the axes that broadcasting had added or stretched. */
export function unbroadcast(grad: Tensor, shape: number[]): Tensor {
  const lead = grad.rank - shape.length;
  const axes = grad.shape
    .map((_, i) => i)
    .filter(i => i < lead || (shape[i - lead] === 1 && grad.shape[i] !== 1));
  const summed = axes.length === 0 ? grad : sum(grad, axes);
  return summed.shape.join() === shape.join() ? summed : reshape(summed, shape);
}

export const broadcastGradients: Repair = {
  fault:
    'The gradients of maximum, minimum and squaredDifference fail on broadcasting, those of the rest on empty axes.',
  gradients: Object.fromEntries(NAMES.map(name => [name, wrap])),
};
