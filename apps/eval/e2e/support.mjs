// What the end-to-end tests share: a folder with a tiny suite, and the built program.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesIn, json, startProgram, until } from '../../../tools/e2e/program.mjs';

export { filesIn, json, until };

const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

const BASE = `
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
    - { domain: math, source: math, max_bytes: 30000 }
  length: 32
  batch: 2
  held_out: 0.2
  document_length: 256
train: { eval_tokens: 128, checkpoint_every: 3 }
optim: { lr: 1.0e-2, schedule: { kind: cosine, warmup_steps: 2 } }
`;

const SUITE = `
name: tiny
title: A tiny suite
base: base.yaml
seeds: [0, 1, 2]
tokens: 1280
probe_tokens: 64
arms:
  spectra: { label: SPECTRA, causal: false }
  switch-2: { label: Switch-2, set: { model.moe.router: { kind: softmax-topk } } }
  wild: { label: wild, set: { optim.lr: 1.0e+30, optim.clip: 1.0e+30 } }
  broken: { set: { model.moe.k: 9 } }
tables:
  T1: { arms: [spectra, switch-2] }
  T9: { arms: [spectra] }
  T12: { arms: [spectra, switch-2] }
  T13: { arms: [spectra, switch-2] }
  C.2: { arms: [spectra, switch-2] }
  C.3: { arms: [spectra], seeds: [0] }
  E: { arms: [spectra], seeds: [0], lengths: [32, 64] }
texts: [{ title: whale, text: "the old whale swam" }]
tasks: [arithmetic, held_out]
`;

/** A temporary folder with suite.yaml, failing.yaml and their text, removed after the test. */
export function workspace(t) {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-eval-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'base.yaml'), BASE);
  writeFileSync(join(folder, 'suite.yaml'), SUITE);
  const failing = SUITE.replace(
    /tables:[\s\S]*?texts:/,
    'tables: { T1: { arms: [wild, broken, switch-2], seeds: [0] } }\ntexts:',
  );
  writeFileSync(join(folder, 'failing.yaml'), failing.replace('name: tiny', 'name: failing'));
  const words = 'the sea was blue and an old whale swam under our ship all day long'.split(' ');
  const text = Array.from(
    { length: 1500 },
    (_, i) => words[(i * i + (i >> 3)) % words.length] + (i % 19 === 18 ? '.\n\n' : ' '),
  );
  writeFileSync(join(folder, 'words.txt'), text.join(''));
  return folder;
}

/** Starts the program: see `startProgram`. */
export const start = (cwd, args, env) => startProgram(program, cwd, args, { env });

export const cli = (cwd, args, env) => start(cwd, args, env).ended;

/** Runs the program, which must succeed. */
export async function ok(cwd, args, env) {
  const result = await cli(cwd, args, env);
  if (result.code !== 0)
    throw new Error(`spectra-eval ${args.join(' ')} ended with ${result.code}\n${result.stderr}${logs(cwd)}`);
  return result;
}

/** What the runs themselves wrote, for a failure's message. */
const logs = cwd =>
  filesIn(join(cwd, 'runs'))
    .filter(name => name.endsWith('run.log'))
    .map(name => `\n--- ${name}\n${readFileSync(join(cwd, 'runs', name), 'utf8').slice(-1500)}`)
    .join('');

/** The tables without the columns that depend on the clock. */
export function timelessTables(results, name = 'tiny') {
  return json(join(results, name, 'tables.json')).map(table => {
    const kept = table.columns.flatMap((column, c) => (column.clock ? [] : [c]));
    return {
      ...table,
      columns: kept.map(c => table.columns[c]),
      rows: table.rows.map(row => ({ ...row, cells: kept.map(c => row.cells[c]) })),
    };
  });
}
