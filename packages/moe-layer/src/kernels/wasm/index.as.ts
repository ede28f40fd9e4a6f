export { setWideTiles } from '../../../../tensor/src/kernels/wasm/gemm.as';
export { mathConstantBytes, setMathConstants } from '../../../../tensor/src/kernels/wasm/math.as';
export { mixture, mixtureGrad, mixtureShape, mixtureWork } from './expert-mixture.as';
export { combineRows } from './rows.as';
