export type * from './architecture.ts';
export type { AttentionContext, KeyValue } from './attend.ts';
export { Attention, type AttentionLayer } from './attention.ts';
export { disposeCache, emptyCache, type LayerCache, type ModelCache } from './cache.ts';
export { type ModelConfig, type ModelConfigInput, modelConfigSchema, parseModelConfig } from './config.ts';
export { ConfigFile, type Json } from './config-file.ts';
export { createRouters } from './create-routers.ts';
export type { TokenRoute } from './decode-pass.ts';
export { DecoderLayer, type DecoderLayerParts, type LayerTrace } from './decoder-layer.ts';
export * from './decoder-model.ts';
export { FAMILIES } from './families/index.ts';
export * from './families/llama-like.ts';
export { type RopeOptions, readRope } from './families/rope.ts';
export type { Family } from './family.ts';
export type { ForwardInput, ForwardOutput } from './forward-input.ts';
export * from './generate.ts';
export { toHfConfig } from './hf-config.ts';
export { LatentAttention } from './latent-attention.ts';
export * from './layer-sweep.ts';
export type { NamedShape, Piece, PieceOrder, TensorRule } from './layout/piece.ts';
export * from './layout/rules.ts';
export { type BoundTensor, bindTensors, storedTensors, type TensorLayout } from './layout/tensor-layout.ts';
export * from './loss.ts';
export { Mlp } from './mlp.ts';
export {
  type DescribeOptions,
  describeConfig,
  describeModel,
  type ModelDescription,
} from './model-description.ts';
export * from './model-tensors.ts';
export { type MoeConfig, moeConfigSchema } from './moe-config.ts';
export { MOE_OVERRIDE, type MoeOverride, type MoeOverrideInput, moeOverrideSchema } from './moe-override.ts';
export { type RopeScaling, ropeScalingSchema } from './rope-scaling.ts';
export { inverseFrequencies } from './rotary-frequencies.ts';
export {
  expertGroups,
  type RouterConfig,
  type RouterKind,
  routerConfigSchema,
} from './router-config.ts';
export * from './sampling.ts';
export { type SpectraRouterConfig, spectra } from './spectra-router-config.ts';
