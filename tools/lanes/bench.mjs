// `pnpm bench [--only CASE] [--quick] [--json FILE] [--backend NAME,…]`: the benchmarks in bench/, peers in the same run.
import { runNode } from './process.mjs';

if ((await runNode(['tools/generate.mjs'])) !== 0) process.exit(1);
const flags = ['--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'];
process.exit(await runNode([...flags, 'bench/cli.ts', ...process.argv.slice(2)]));
