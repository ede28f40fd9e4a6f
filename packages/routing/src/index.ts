export * from './expert-load.ts';
export type { GateOptions } from './gate-weights.ts';
export { gateWeights } from './gate-weights.ts';
export * from './router.ts';
export * from './select-quota.ts';
export * from './select-top-k.ts';
export type { SelectionOptions } from './selection.ts';
export { capacity } from './selection.ts';
