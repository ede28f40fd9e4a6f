export { Attention, type AttentionContext, type KeyValue } from './attention.ts';
export { disposeCache, emptyCache, type LayerCache, type ModelCache } from './cache.ts';
export {
  type ModelConfig,
  type ModelConfigInput,
  modelConfigSchema,
  parseModelConfig,
  type RopeScaling,
} from './config.ts';
export { createRouters } from './create-routers.ts';
export type { TokenRoute } from './decode-pass.ts';
export { DecoderLayer } from './decoder-layer.ts';
export * from './decoder-model.ts';
export type { ForwardInput, ForwardOutput } from './forward-input.ts';
export * from './generate.ts';
export { fromHfConfig, toHfConfig } from './hf-config.ts';
export * from './loss.ts';
export * from './model-tensors.ts';
export { type MoeConfig, moeConfigSchema, type RouterConfig, routerConfigSchema } from './moe-config.ts';
export { inverseFrequencies } from './rotary.ts';
export * from './sampling.ts';
