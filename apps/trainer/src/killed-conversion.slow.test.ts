/** Conversions killed at every single operation on files: absent and resumable, or whole. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { beforeAll, expect, it } from 'vitest';

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error: string | undefined;
  readonly output: string;
}

/** `node ARGS` in the workspace; also what it printed until it was ended. */
function node(args: readonly string[], env: Record<string, string>, signal?: AbortSignal): Promise<Outcome> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, {
      cwd: workspaceRoot(),
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    });
    let output = '';
    let error: string | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', cause => {
      error = String(cause);
    });
    child.on('close', (code, ended) => resolve({ code, signal: ended, error, output }));
  });
}

/** Nothing but the end of a program that went well. */
function expectSuccess({ output, ...outcome }: Outcome): void {
  expect(outcome, output).toEqual({ code: 0, signal: null, error: undefined });
}

// the built packages: they start three times as fast as the sources, and an edit of those meanwhile does not change them
beforeAll(async () => {
  expectSuccess(await node([join('tools', 'lanes', 'build.mjs')], { SPECTRA_DTS: '0' }));
}, 600_000);

it.concurrent.for(['upcycle', 'replace-router', 'convert'])(
  '%s survives a kill at every operation',
  async (command, { signal }) => {
    const test = join('apps', 'trainer', 'e2e', 'killed-conversion.test.mjs');
    const outcome = await node(
      ['--test', '--test-isolation=none', '--test-reporter=spec', test],
      { SPECTRA_TEST_EVERY: command },
      signal,
    );
    expectSuccess(outcome);
    const killed = new RegExp(`${command}: killed at each of \\d+ operations`).exec(outcome.output);
    expect(killed, outcome.output).not.toBeNull();
    console.log(killed![0]);
  },
);
