// Runs a built app's CLI, building what is out of date first.
import { buildAll } from './build.mjs';
import { runNode } from './process.mjs';

export async function runApp(name, args) {
  const built = await buildAll({ declarations: false });
  process.exit(built || (await runNode([`apps/${name}/dist/cli.js`, ...args], { interactive: true })));
}
