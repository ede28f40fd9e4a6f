// Which backends this machine can test, by asking the code itself in a process each.
import { existsSync } from 'node:fs';
import { run } from './process.mjs';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Vulkan by SwiftShader from Debian's chromium, unless the environment already names a driver. */
export function swiftShaderEnv() {
  if (process.env.VK_ICD_FILENAMES !== undefined || !existsSync(SWIFTSHADER)) return {};
  return { VK_ICD_FILENAMES: SWIFTSHADER, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? '/tmp' };
}

/** {backend: {available, reason, env}}; SPECTRA_BACKENDS=cpu,wasm narrows the list. */
export async function findBackends() {
  const names = process.env.SPECTRA_BACKENDS?.split(',') ?? ['cpu', 'wasm', 'webgpu', 'tensorflow'];
  const found = {};
  for (const name of names) {
    const env = name === 'webgpu' ? swiftShaderEnv() : {};
    const script = `import { setBackend } from '@spectra/tensor';
      try { await setBackend('${name}'); process.exit(0); } catch (e) { console.log(e.message); process.exit(1); }`;
    const { code, output } = await run(
      process.execPath,
      ['--conditions=@spectra/source', '--input-type=module', '-e', script],
      { capture: true, env, cwd: new URL('../testing', import.meta.url).pathname, timeout: 60_000 },
    );
    found[name] = { available: code === 0, reason: output.trim().split('\n').at(-1) ?? '', env };
  }
  return found;
}
