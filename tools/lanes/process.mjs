// Running programs of the workspace under its pinned Node.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const bin = join(root, 'node_modules', '.bin');

// the program itself: the script in .bin would keep signals from it
const pinnedNode = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** `node ARGS` with the pinned Node as soon as it is installed; resolves to the exit code. */
export const runNode = (args, options) =>
  run(existsSync(pinnedNode) ? pinnedNode : process.execPath, args, options);

/**
 * Runs a program in the workspace with node_modules/.bin first on the PATH. `capture` also returns what it printed.
 * With `interactive` Ctrl-C is left to the child, so that it can finish its step and save.
 */
export function run(
  program,
  args,
  { env = {}, cwd = root, capture = false, quiet = false, interactive = false, timeout } = {},
) {
  return new Promise(resolve => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, ...env },
      stdio: [
        'inherit',
        capture ? 'pipe' : quiet ? 'ignore' : 'inherit',
        capture ? 'pipe' : quiet ? 'ignore' : 'inherit',
      ],
      ...(timeout === undefined ? {} : { timeout, killSignal: 'SIGKILL' }),
    });
    let output = '';
    const forward = () => {};
    if (interactive) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', data => {
        output += data;
      });
    child.on('error', error => resolve(capture ? { code: 127, output: String(error) } : 127));
    child.on('close', (code, signal) => {
      const status = code ?? 128 + ({ SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 1);
      resolve(capture ? { code: status, output } : status);
    });
  });
}
