import { keepMathConstants as keepShared } from '../../../../tensor/src/kernels/wasm/math.as';
import { keepKernelConstants } from './kernel-row.as';

export { backward, backwardWork } from './backward.as';
export { forward, forwardWork } from './forward.as';
export { firstBad } from './problem.as';

export function keepMathConstants(one: f32): void {
  keepShared(one);
  keepKernelConstants(one);
}
