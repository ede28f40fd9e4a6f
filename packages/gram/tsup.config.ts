export { tsupConfig as default } from '../../tools/tsup.ts';
