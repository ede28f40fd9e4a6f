export * from './byte-source.ts';
export * from './conversion/converted-config.ts';
export {
  type ExpertLayout,
  type LaidOutTensor,
  layOut,
  type TensorPart,
} from './conversion/expert-layout.ts';
export * from './conversion/plan-conversion.ts';
export { copiedScales } from './conversion/streams.ts';
export { narrow, type WritableData, type WritableDtype } from './convert.ts';
export * from './dtypes.ts';
export * from './floats.ts';
export { type BlockSize, dequantizeFp8, FP8_BLOCK, fp8Codes, fp8Scales, scaleShape } from './fp8-blocks.ts';
export { parseHeader, type SafetensorsHeader, type TensorEntry } from './header.ts';
export { type HttpOptions, httpFiles, httpSource } from './http-source.ts';
export { type ModelFiles, openModelFiles } from './model-files.ts';
export * from './model-store.ts';
export { decodeMxfp4, encodeMxfp4, MXFP4_GROUP } from './mxfp4.ts';
export * from './parameters.ts';
export * from './pieces.ts';
export { openSafetensors, readHeader } from './safetensors-reader.ts';
export * from './safetensors-writer.ts';
export {
  indexText,
  openSharded,
  parseShardIndex,
  planShards,
  type ShardIndex,
  type ShardPlan,
} from './sharded.ts';
export type { TensorSlice } from './slice.ts';
export {
  checkTensors,
  type ReadOptions,
  readTensor,
  type StoredEntry,
  type StoredTensors,
  type TensorStore,
  toTensor,
} from './tensor-store.ts';
