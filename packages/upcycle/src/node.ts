/** Conversions of model folders, with Node's file system: `@spectra/upcycle/node`. */
export * from './index.ts';
export { type ApplyOptions, applyPlan } from './node/apply.ts';
export { planReplacementFolder, replaceRouterFolder } from './node/replace-folder.ts';
export * from './node/upcycle-folder.ts';
export * from './node/verify.ts';
