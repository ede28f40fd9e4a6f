export * from './activation.ts';
export * from './dispatch-plan.ts';
export * from './dispatch-rows.ts';
export * from './expert-mixture.ts';
export * from './experts.ts';
export * from './grouped-matmul.ts';
export * from './moe-layer.ts';
export * from './shared-expert.ts';
