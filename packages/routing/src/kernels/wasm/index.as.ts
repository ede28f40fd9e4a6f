export { mathConstantBytes, setMathConstants } from '../../../../tensor/src/kernels/wasm/math.as';
export { acceptance, acceptanceWork, acceptedSlots, sortTokens } from './acceptance.as';
export { expertLoad, gateBackward, gateForward } from './gate-weights.as';
export { scoresHold } from './slots.as';
export { topK } from './top-k.as';
