// `pnpm eval ARGS`: the built evaluation CLI.
import { runApp } from './app.mjs';

await runApp('eval', process.argv.slice(2));
