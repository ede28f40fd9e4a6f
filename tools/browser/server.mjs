// Serves the built packages to a page as they are, with an import map; tfjs itself is bundled once, since its files
// import CommonJS.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join, normalize } from 'node:path';
import { build } from 'esbuild';
import { root } from '../lanes/process.mjs';

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};
const tfjs = ['core', 'backend-cpu', 'backend-wasm', 'backend-webgpu'];
const packages = ['tensor', 'sinkhorn', 'gram', 'routing', 'gru-router', 'moe-layer'];
const require = createRequire(join(root, 'packages/tensor/package.json'));

/** Bundles tfjs into `folder` with one shared core and starts a server on a free port. */
export async function serve() {
  const folder = join(root, '.cache', 'browser');
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: Object.fromEntries([
      ...tfjs.map(name => [name, `@tensorflow/tfjs-${name}`]),
      ['features', 'wasm-feature-detect'],
    ]),
    absWorkingDir: join(root, 'packages/tensor'),
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: folder,
    mainFields: ['module', 'main'],
    platform: 'browser',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    external: ['fs', 'os', 'path', 'crypto', 'worker_threads', 'perf_hooks', 'util', 'string_decoder'],
  });
  const wasm = dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'));
  const imports = {
    ...Object.fromEntries(tfjs.map(name => [`@tensorflow/tfjs-${name}`, `/vendor/${name}.js`])),
    'wasm-feature-detect': '/vendor/features.js',
    ...Object.fromEntries(packages.map(name => [`@spectra/${name}`, `/packages/${name}/dist/index.js`])),
  };
  const page = `<!doctype html><meta charset="utf-8"><title>SPECTRA</title><link rel="icon" href="data:,">
    <script type="importmap">${JSON.stringify({ imports })}</script>`;
  const roots = {
    vendor: folder,
    packages: join(root, 'packages'),
    wasm: join(wasm, 'dist'),
    browser: join(root, 'tools/browser'),
  };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    const [, area, ...rest] = path.split('/');
    const file = roots[area] === undefined ? undefined : join(roots[area], ...rest);
    if (file === undefined || !existsSync(file)) return response.writeHead(404).end();
    return response
      .writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
      .end(readFileSync(file));
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => server.close(),
    wasmFiles: readdirSync(roots.wasm).filter(f => f.endsWith('.wasm')),
  };
}
