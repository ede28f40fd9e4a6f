// What the end-to-end tests of the built programs share: starting one in plain Node and looking at what it leaves behind.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Starts the program; `ended` resolves to {code, stdout, stderr}. `shell` is a command that runs before it. */
export function startProgram(program, cwd, args, { env = {}, shell } = {}) {
  const command = [process.execPath, program, ...args];
  const [file, ...rest] =
    shell === undefined ? command : ['sh', '-c', `${shell}; exec "$0" "$@"`, ...command];
  const child = spawn(file, rest, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'])
    child[stream].setEncoding('utf8').on('data', text => {
      out[stream] += text;
    });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, ...out }));
  });
  return { child, out, ended };
}

/** Resolves once `condition` holds; it is asked every few milliseconds. */
export async function until(condition, what, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    if (condition()) return;
    await new Promise(resolve => setTimeout(resolve, 3));
  }
  throw new Error(`waited in vain for ${what}`);
}

export const json = path => JSON.parse(readFileSync(path, 'utf8'));

/** All files below a folder, relative, sorted. */
export const filesIn = folder => (existsSync(folder) ? readdirSync(folder, { recursive: true }).sort() : []);
