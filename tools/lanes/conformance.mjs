// `pnpm conformance`: golden values on every backend found. SPECTRA_BACKENDS narrows; SPECTRA_FIXTURES names another
// folder of the same shape.
import { findBackends } from './backends.mjs';
import { run, runNode } from './process.mjs';

if ((await runNode(['tools/generate.mjs'])) !== 0) process.exit(1);
let worst = 0;
for (const [backend, found] of Object.entries(await findBackends())) {
  console.log(`\n=== ${backend}${found.available ? '' : ` skipped: ${found.reason}`}`);
  if (!found.available) {
    if (process.env.SPECTRA_BACKENDS !== undefined) worst = 3;
    continue;
  }
  const code = await run('vitest', ['run', '--project', 'conformance', ...process.argv.slice(2)], {
    env: { SPECTRA_BACKEND: backend, ...found.env },
  });
  worst = Math.max(worst, code);
}
process.exit(worst);
