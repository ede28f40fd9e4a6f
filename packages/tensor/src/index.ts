// The core first: the engine must be made by it, not by the copy of it that the gradients bring along.
import '@tensorflow/tfjs-core';
import './generated/gradients.js';

export * from './define-op.ts';
export * from './errors.ts';
export * from './parameter.ts';
export * from './wasm-call.ts';
export * from './wasm-features.ts';
export * from './backend/report.ts';
export { AUTO_ORDER, probeBackends, setBackend } from './backend/set-backend.ts';
export * from './rng.ts';
export * from './kernels/wasm/choose.ts';
export * from './kernels/wasm/gemm.ts';
export * from './kernels/wasm/register.ts';
export * from './wasm-compile.ts';
export * from './check-device.ts';
export * from './optim/adamw.ts';
export * from './optim/checkpointed.ts';
export * from './optim/global-norm.ts';
export * from './optim/gradient-accumulator.ts';
export * from './optim/gradients.ts';
export * from './optim/parameter-group.ts';
export * from './optim/schedule.ts';
export { noGrad, stopGradient } from './optim/tape.ts';
export * from './read-tensors.ts';
export * from './ops/log-sum-exp.ts';
export * from './ops/normalise.ts';
