/** Tiny checkpoints of every family with what transformers computes from them. No part of the package. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openModel } from '@spectra/checkpoint/node';
import { workspaceRoot } from '@spectra/testing';

export interface GoldenInputs {
  readonly input_ids: number[][];
  readonly prompt_ids: number[][];
  readonly padded: {
    readonly input_ids: number[][];
    readonly attention_mask: number[][];
    readonly position_ids: number[][];
  };
}

export interface GoldenModel {
  readonly name: string;
  readonly folder: string;
  readonly inputs: GoldenInputs;
}

/** Those in `fixtures/hf`, and in the folder that `SPECTRA_HF_FIXTURES` names. */
export function goldenModels(): GoldenModel[] {
  const roots = [join(workspaceRoot(), 'fixtures', 'hf'), process.env.SPECTRA_HF_FIXTURES ?? ''];
  return roots.flatMap((root, i) =>
    (root === '' || !existsSync(root) ? [] : readdirSync(root).sort())
      .map(name => join(root, name))
      .filter(folder => existsSync(join(folder, 'expected.safetensors')))
      .map(folder => ({
        name: i === 0 ? basename(folder) : folder,
        folder,
        inputs: readJson(join(folder, 'inputs.json')) as GoldenInputs,
      })),
  );
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Everything that transformers computed, by name. */
export async function goldenTensors(folder: string) {
  const store = await openModel(join(folder, 'expected.safetensors'));
  try {
    const read = store.names().map(async name => [name, await store.read(name)] as const);
    return new Map(await Promise.all(read));
  } finally {
    await store.close();
  }
}
