export { backward, backwardWork } from './backward.as';
export { keepMathConstants } from './exp-log.as';
export { forward, forwardWork } from './forward.as';
export { firstBad } from './problem.as';
