/**
 * Where a case's time goes: `node --conditions=@spectra/source bench/profile.ts CASE [BACKEND]`. Kernels by name with
 * calls and time, and what is left for the engine, the tape and the host. For backends that compute in the call.
 */
import { setBackend } from '@spectra/tensor';
import {
  getBackend,
  getKernel,
  getKernelsForBackend,
  type KernelConfig,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { CASES } from './cases.ts';
import { inputsOf } from './inputs.ts';
import { buildOurs } from './sides/kinds/build-ours.ts';

const [name = '', backend = 'wasm'] = process.argv.slice(2);
const bench = CASES.find(c => c.name.toLowerCase().includes(name.toLowerCase()));
if (bench === undefined) throw new Error(`no case has "${name}" in its name.`);
const RUNS = 200;
/** Engines compile what has run often enough. */
const WARM_MS = 1000;
const LINES = 25;

await setBackend(backend as 'wasm');
/** Kernels of the run under way. */
let spent = new Map<string, { calls: number; ms: number }>();
/** Time of kernels that ran inside the one under way, which is not its own. */
let inside = 0;
for (const config of getKernelsForBackend(getBackend())) watch(config);

const work = await buildOurs(bench.kind, bench.params, inputsOf(bench.kind, bench.params));
if (typeof work === 'string') throw new Error(work);
for (const end = performance.now() + WARM_MS; performance.now() < end; ) await work.run();
const runs: { readonly total: number; readonly kernels: typeof spent }[] = [];
for (let i = 0; i < RUNS; i++) {
  spent = new Map();
  const start = performance.now();
  await work.run();
  runs.push({ total: performance.now() - start, kernels: spent });
}
// the shortest: what disturbs a run only adds to it
const shortest = (times: readonly number[]): number => Math.min(...times);
const total = shortest(runs.map(run => run.total));
const lines = [...runs[0]!.kernels]
  .map(([kernel, { calls }]) => ({
    kernel,
    calls,
    ms: shortest(runs.map(({ kernels }) => kernels.get(kernel)?.ms ?? 0)),
  }))
  .toSorted((a, b) => b.ms - a.ms);
const calls = lines.reduce((sum, line) => sum + line.calls, 0);
console.log(`${bench.name}: ${total.toFixed(3)} ms, ${calls} kernel calls`);
for (const { kernel, calls, ms } of lines.slice(0, LINES)) print(kernel, String(calls), ms);
print('engine, tape and host', '', total - lines.reduce((sum, line) => sum + line.ms, 0));
await work.dispose();
process.exit(0);

function print(what: string, calls: string, ms: number): void {
  const share = `${((100 * ms) / total).toFixed(1)} %`.padStart(7);
  console.log(`${share} ${ms.toFixed(3).padStart(9)} ms ${calls.padStart(5)}  ${what}`);
}

/** Puts a clock around a kernel. */
function watch(config: KernelConfig): void {
  const { kernelName, backendName } = config;
  const own = getKernel(kernelName, backendName).kernelFunc;
  unregisterKernel(kernelName, backendName);
  registerKernel({
    ...config,
    kernelFunc: args => {
      const outside = inside;
      inside = 0;
      const start = performance.now();
      const result = own(args);
      const ms = performance.now() - start;
      const entry = spent.get(kernelName) ?? { calls: 0, ms: 0 };
      spent.set(kernelName, { calls: entry.calls + 1, ms: entry.ms + ms - inside });
      inside = outside + ms;
      return result;
    },
  });
}
