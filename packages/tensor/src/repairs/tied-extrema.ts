/** The gradients of max and min where several elements are the extremum. */
import type { GradFunc, NamedAttrMap, Tensor } from '@tensorflow/tfjs-core';
import { cast, div, equal, mul, reshape, sum, util } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';

export const tiedExtrema: Repair = {
  fault: 'Max and min give every tied element the full gradient instead of a share.',
  gradients: {
    Max: () => ({ inputsToSave: ['x'], outputsToSave: [true], gradFunc: shared('reductionIndices') }),
    Min: () => ({ inputsToSave: ['x'], outputsToSave: [true], gradFunc: shared('axis') }),
  },
};

/** dx = dy·[x = y] / (how many are), as TensorFlow has it. */
function shared(axisName: string): GradFunc {
  return (dy, saved, attrs: NamedAttrMap) => {
    const [x, y] = saved as [Tensor, Tensor];
    const axes = util.parseAxisParam(attrs[axisName] as number | number[], x.shape);
    const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    return {
      x: () => {
        const extreme = cast(equal(x, reshape(y, kept)), 'float32');
        return mul(div(reshape(dy as Tensor, kept), sum(extreme, axes, true)), extreme);
      },
    };
  };
}
