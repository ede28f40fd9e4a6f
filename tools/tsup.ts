import { defineConfig } from 'tsup';

/** One build for every library: ESM for Node and browsers, declarations unless `SPECTRA_DTS=0`. */
export const tsupConfig = defineConfig({
  entry: ['src/index.ts'],
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  dts: process.env.SPECTRA_DTS !== '0',
  clean: true,
  sourcemap: false,
  splitting: false,
  treeshake: true,
});
