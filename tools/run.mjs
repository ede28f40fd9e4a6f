// The entry of every root script. It needs nothing but Node >= 20 and npm: it installs the workspace with the pinned
// pnpm when that has not been done, and runs the work under the pinned Node from node_modules.
import { installWorkspace } from './lanes/install.mjs';
import { runNode } from './lanes/process.mjs';

const [command, ...args] = process.argv.slice(2);
const task = `tools/lanes/${command}.mjs`;
const commands = ['demo', 'test', 'conformance', 'slow', 'bench', 'trainer', 'eval', 'lint', 'build', 'docs'];

if (!commands.includes(command)) {
  console.error(`usage: node tools/run.mjs ${commands.join('|')} [ARGS]`);
  process.exit(2);
}
await installWorkspace();
process.exit(await runNode([task, ...args], { interactive: true }));
