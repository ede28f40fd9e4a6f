export { gemm, gemmWork, setWideTiles } from './gemm.as';
export { maxAxis, sumAxis } from './reduce.as';
export { softmaxRows } from './softmax.as';
export { transposeWalk } from './transpose.as';
export { unary } from './unary.as';
