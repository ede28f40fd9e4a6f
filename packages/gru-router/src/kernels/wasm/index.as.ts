export { keepMathConstants } from '../../../../tensor/src/kernels/wasm/math.as';
export { domainScore, domainScoreBackward } from './domain-score.as';
export { gruBackward, gruBackwardWork, gruForward, gruForwardWork } from './gru.as';
export { speciality, specialityBackward, specialityWork } from './speciality.as';
