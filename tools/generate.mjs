// Makes what the sources import but git does not keep: the AssemblyScript kernels of every package as base64
// (`packages/*/src/kernels/wasm/index.as.ts` -> `generated/wasm.js`) and tfjs's gradient and
// chained-op registrations as one module (plain Node cannot load tfjs-core's deep imports). Skips what is newer than its sources.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ASC_FLAGS = [
  '--runtime',
  'stub',
  '--importMemory',
  '-O3',
  '--noAssert',
  '--noExportMemory',
  '--use',
  'abort=',
];

const newest = folder =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(e => e.isFile())
      .map(e => statSync(join(e.parentPath, e.name)).mtimeMs),
  );

async function compile(asc, entry, features) {
  let binary;
  const { error, stderr } = await asc.main(
    [relative(root, entry), '--outFile', 'out.wasm', ...ASC_FLAGS, ...features.flatMap(f => ['--enable', f])],
    {
      baseDir: root,
      writeFile: (name, data) => {
        if (name.endsWith('.wasm')) binary = data;
      },
    },
  );
  if (error) throw new Error(`${entry}: ${stderr.toString()}`);
  const module = new WebAssembly.Module(binary);
  const sections = WebAssembly.Module.imports(module).map(i => i.name);
  if (!sections.includes('memory')) throw new Error(`${entry} does not import its memory`);
  return Buffer.from(binary).toString('base64');
}

for (const name of readdirSync(join(root, 'packages'))) {
  const folder = join(root, 'packages', name, 'src/kernels/wasm');
  const entry = join(folder, 'index.as.ts');
  if (!existsSync(entry)) continue;
  const out = join(root, 'packages', name, 'src/generated/wasm.js');
  const sources = Math.max(
    newest(folder),
    statSync(fileURLToPath(import.meta.url)).mtimeMs,
    newest(join(root, 'packages/tensor/src/kernels/wasm')),
    // the router's module holds selection kernels, too
    name === 'gru-router' ? newest(join(root, 'packages/routing/src/kernels/wasm')) : 0,
  );
  if (existsSync(out) && statSync(out).mtimeMs > sources) continue;
  const asc = await import('assemblyscript/asc');
  const simd = await compile(asc, entry, ['simd']);
  const relaxed = await compile(asc, entry, ['simd', 'relaxed-simd']);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `export const simd = '${simd}';\nexport const relaxed = '${relaxed}';\n`);
  writeFileSync(
    out.replace(/\.js$/, '.d.ts'),
    'export declare const simd: string;\nexport declare const relaxed: string;\n',
  );
  console.error(`${name}: wasm kernels ${Math.round((simd.length * 0.75) / 1024)} kB`);
}

const gradients = join(root, 'packages/tensor/src/generated/gradients.js');
if (
  !existsSync(gradients) ||
  statSync(gradients).mtimeMs < statSync(fileURLToPath(import.meta.url)).mtimeMs
) {
  await build({
    stdin: {
      contents:
        "import '@tensorflow/tfjs-core/dist/register_all_gradients.js';" +
        "import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';",
      resolveDir: join(root, 'packages/tensor'),
    },
    bundle: true,
    format: 'esm',
    minify: true,
    outfile: gradients,
    logLevel: 'error',
    mainFields: ['module', 'main'],
  });
  writeFileSync(
    gradients.replace(/\.js$/, '.d.ts'),
    "import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';\n",
  );
  console.error(`tensor: gradients ${Math.round(readFileSync(gradients).length / 1024)} kB`);
}
