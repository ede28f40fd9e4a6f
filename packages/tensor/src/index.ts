import './generated/gradients.js';

export * from './define-op.ts';
export * from './errors.ts';
export * from './parameter.ts';
export * from './wasm-call.ts';
export * from './wasm-features.ts';
