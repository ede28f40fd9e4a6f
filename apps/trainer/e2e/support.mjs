// What the end-to-end tests share: a folder with small texts and a small configuration, and the built program.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesIn, json, startProgram, until } from '../../../tools/e2e/program.mjs';
import { root } from '../../../tools/lanes/process.mjs';

export { filesIn, json, root, until };

const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

export const TIMING_KEYS = ['train_tokens_per_second', 'seconds', 'train_seconds'];

const CONFIG = `
name: tiny
backend: wasm
model:
  vocab_size: 256
  hidden_size: 16
  num_hidden_layers: 2
  num_attention_heads: 2
  max_position_embeddings: 64
  moe: { experts: 4, k: 2, intermediate_size: 16, router: { kind: spectra, router_dim: 8, state_size: 8 } }
data:
  corpora:
    - { domain: words, source: files, paths: [words.txt] }
    - { domain: sums, source: files, paths: [sums.txt] }
  length: 32
  batch: 2
  document_length: 64
  held_out: 0.1
train: { steps: 6, eval_every: 4, eval_tokens: 128, checkpoint_every: 2, keep_checkpoints: 3 }
optim: { lr: 1.0e-2, schedule: { kind: cosine, warmup_steps: 2 } }
`;

/** A temporary folder with tiny.yaml and its texts, removed after the test. */
export function workspace(t) {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-e2e-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'tiny.yaml'), CONFIG);
  const words = 'the sea was blue and an old whale swam under our ship all day long'.split(' ');
  const text = Array.from(
    { length: 900 },
    (_, i) => words[(i * i + (i >> 3)) % words.length] + (i % 9 === 8 ? '.\n\n' : ' '),
  );
  writeFileSync(join(folder, 'words.txt'), text.join(''));
  const sums = Array.from(
    { length: 300 },
    (_, i) => `${i % 90} + ${i % 7} = ${(i % 90) + (i % 7)}\n${i % 5 === 4 ? '\n' : ''}`,
  );
  writeFileSync(join(folder, 'sums.txt'), sums.join(''));
  return folder;
}

export const set = (...pairs) => pairs.flatMap(pair => ['--set', pair]);

/** Starts the program: see `startProgram`. */
export const start = (cwd, args, options) => startProgram(program, cwd, args, options);

/** Runs the program to its end. */
export const cli = (cwd, args, options) => start(cwd, args, options).ended;

/** Runs the program, which must succeed. */
export async function ok(cwd, args, options) {
  const result = await cli(cwd, args, options);
  if (result.code !== 0)
    throw new Error(`spectra-trainer ${args.join(' ')} ended with ${result.code}\n${result.stderr}`);
  return result;
}

/** The complete rows of a metrics file that may still grow. */
export function rows(run) {
  const path = join(run, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));
}

export const without = (record, keys) =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

/** The rows without what depends on the clock. */
export const timeless = run => rows(run).map(row => without(row, TIMING_KEYS));

/** Steps that have a checkpoint, rising. */
export const checkpoints = run =>
  filesIn(join(run, 'checkpoints'))
    .flatMap(name => /^step-(\d+)[\\/]DONE$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

/** {name: {dtype, shape, data}} of a safetensors file. */
export function safetensors(path) {
  const bytes = readFileSync(path);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString('utf8', 8, begin));
  const arrays = { F32: Float32Array, I32: Int32Array };
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [
        name,
        {
          dtype,
          shape,
          data: new arrays[dtype](Uint8Array.from(bytes.subarray(begin + from, begin + to)).buffer),
        },
      ],
    ),
  );
}
