// `npm run demo`: builds and runs the trainer's demo.
import { runApp } from './app.mjs';

await runApp('trainer', ['demo', ...process.argv.slice(2)]);
