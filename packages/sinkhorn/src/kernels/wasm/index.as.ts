export { mathConstantBytes, setMathConstants } from '../../../../tensor/src/kernels/wasm/math.as';
export { backward, backwardWork } from './backward.as';
export { forward, forwardWork } from './forward.as';
export { firstBad } from './problem.as';
