/** The gradients of sums and means, which spread a cotangent over what was added up. */
import type { GradConfig, Tensor } from '@tensorflow/tfjs-core';
import { div, fill, getBackend, mul, reshape, tile, util, zeros } from '@tensorflow/tfjs-core';
import type { GradientWrap, Repair } from './repair.ts';

/** Between the host's arrays and a device's lies a copy; those of cpu are the host's own. */
const wrap =
  (scaled: (dy: Tensor, count: number) => Tensor): GradientWrap =>
  stock => ({
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attrs) => {
      if (getBackend() === 'cpu') return (stock as GradConfig).gradFunc(dy, saved, attrs);
      const { shape } = saved[0] as Tensor;
      const axes = util.parseAxisParam(attrs.axis as number[], shape);
      const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size));
      const times = shape.map((size, i) => (axes.includes(i) ? size : 1));
      const spread = (): Tensor => {
        const one = reshape(scaled(dy as Tensor, util.sizeFromShape(times)), kept);
        // WebGPU tiles more axes on the host
        return shape.length > 4 ? mul(one, fill(shape, 1)) : tile(one, times);
      };
      return { x: () => (shape.includes(0) ? zeros(shape) : spread()) };
    },
  });

export const sumGradient: Repair = {
  fault: 'The gradients of sum and mean make an array of ones on the host and copy it to the device.',
  gradients: { Sum: wrap(dy => dy), Mean: wrap((dy, count) => div(dy, count)) },
};
