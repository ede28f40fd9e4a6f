export * from './config/load.ts';
export * from './config/schema.ts';
export * from './data/training-data.ts';
export * from './evaluation/evaluate.ts';
export * from './evaluation/sample.ts';
export * from './run/summary.ts';
export * from './training/trainer.ts';
