/** Files and folders of Node: `@spectra/checkpoint/node`. */
export * from './index.ts';
export * from './node/checkpoint-reader.ts';
export * from './node/checkpoint-writer.ts';
export * from './node/companions.ts';
export * from './node/convert-model.ts';
export * from './node/file-sink.ts';
export * from './node/file-source.ts';
export * from './node/hub.ts';
export type { Manifest, ManifestEntry } from './node/manifest.ts';
export * from './node/model.ts';
export * from './node/model-folder-writer.ts';
export { checkTarget } from './node/partial-folder.ts';
export * from './node/retention.ts';
export * from './node/source-identity.ts';
