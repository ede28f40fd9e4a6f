/** Models in folders, with Node's file system: `@spectra/transformer/node`. */
export * from './index.ts';
export * from './node/model-folder.ts';
