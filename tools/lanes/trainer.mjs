// `pnpm trainer ARGS`: the built trainer CLI.
import { runApp } from './app.mjs';

await runApp('trainer', process.argv.slice(2));
