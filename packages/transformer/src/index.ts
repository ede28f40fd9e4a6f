export { Attention, type AttentionContext, type KeyValue } from './attention.ts';
export * from './cache.ts';
export {
  type ModelConfig,
  type ModelConfigInput,
  modelConfigSchema,
  parseModelConfig,
  type RopeScaling,
} from './config.ts';
export { RouterFactory } from './create-router.ts';
export type { TokenRoute } from './decode-pass.ts';
export { DecoderLayer } from './decoder-layer.ts';
export * from './decoder-model.ts';
export * from './generate.ts';
export { fromHfConfig, toHfConfig } from './hf-config.ts';
export * from './loss.ts';
export * from './model-tensors.ts';
export { inverseFrequencies } from './rotary.ts';
export * from './sampling.ts';
