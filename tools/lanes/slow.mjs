// `pnpm test:slow`: the long proofs. Each resumes from what an earlier call finished.
import { run, runNode } from './process.mjs';

if ((await runNode(['tools/generate.mjs'])) !== 0) process.exit(1);
process.exit(await run('vitest', ['run', '--project', 'slow', ...process.argv.slice(2)]));
