export * from './activation.ts';
export { type DispatchPlan, dispatchPlan } from './dispatch-plan.ts';
export * from './dispatch-rows.ts';
export { expertMixture } from './expert-mixture.ts';
export * from './experts.ts';
export * from './grouped-matmul.ts';
export * from './moe-layer.ts';
export * from './routed-mixture.ts';
export * from './shared-expert.ts';
