/**
 * Two hundred steps in one go and two hundred steps through two kills and a Ctrl-C, by the command line from source:
 * the same parameters, moments, router states and metrics, byte for byte.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'spectra-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STEPS = 200;
/** And those behind them that settle prices. */
const SETTLED = 10;
const CONFIG = [
  `train.steps=${STEPS}`,
  `train.settle_steps=${SETTLED}`,
  'train.micro_batches=2',
  'train.workers=2',
  'train.eval_every=40',
  'train.eval_tokens=512',
  'train.checkpoint_every=25',
  'train.keep_checkpoints=2',
  'data.length=64',
  'data.batch=2',
  'model.hidden_size=32',
  'model.moe.intermediate_size=32',
  'sample.prompts=[]',
];

/** Runs the program; after row `row` of the metrics it gets the signal. Resolves to its exit code or that signal. */
async function program(
  args: readonly string[],
  run: string,
  stop?: { readonly row: number; readonly signal: NodeJS.Signals },
) {
  const flags = [
    '--conditions=@spectra/source',
    '--disable-warning=ExperimentalWarning',
    'apps/trainer/src/cli.ts',
  ];
  const child = spawn(process.execPath, [...flags, ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const timer = setInterval(() => {
    if (stop !== undefined && rows(run).length >= stop.row) child.kill(stop.signal);
    if (stop !== undefined && child.killed) clearInterval(timer);
  }, 5);
  const ended = await new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal)));
  clearInterval(timer);
  return { ended, errors };
}

function rows(run: string): Record<string, unknown>[] {
  const path = join(run, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map(line => {
    const {
      train_tokens_per_second: _rate,
      seconds: _seconds,
      ...row
    } = JSON.parse(line) as Record<string, unknown>;
    return row;
  });
}

describe.each(['spectra', 'softmax-topk'])('%s', kind => {
  const args = (name: string) => [
    'train',
    'configs/demo.yaml',
    '--resume',
    ...[...CONFIG, `model.moe.router={kind: ${kind}}`, `name=${name}`, `runs_dir=${folder}`].flatMap(pair => [
      '--set',
      pair,
    ]),
  ];
  const [straight, broken] = [`${kind}-straight`, `${kind}-broken`].map(name => join(folder, name)) as [
    string,
    string,
  ];

  it('goes on as if it had never stopped', async () => {
    expect(await program(args(`${kind}-straight`), straight)).toMatchObject({ ended: 0 });
    for (const [row, signal, ended] of [
      [60, 'SIGKILL', 'SIGKILL'],
      [110, 'SIGINT', 130],
      [170, 'SIGKILL', 'SIGKILL'],
    ] as const) {
      const result = await program(args(`${kind}-broken`), broken, { row, signal });
      expect(result.ended, result.errors).toBe(ended);
    }
    expect(await program(args(`${kind}-broken`), broken)).toMatchObject({ ended: 0 });
    for (const file of ['model.safetensors', 'optimizer.safetensors']) {
      const [expected, found] = [straight, broken].map(run =>
        readFileSync(join(run, 'checkpoints', `step-${STEPS + SETTLED}`, file)),
      );
      expect(found!.equals(expected!), file).toBe(true);
    }
    expect(rows(broken)).toEqual(rows(straight));
    expect(readdirSync(join(broken, 'checkpoints')).sort()).toEqual(['step-200', 'step-210']);
  });
});
