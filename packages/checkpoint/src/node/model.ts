/** A model's weights in a folder: one `model.safetensors`, or shards with an index. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { openSafetensors } from '../safetensors-reader.ts';
import { type TensorSpec, type WriteOptions, writeSafetensors } from '../safetensors-writer.ts';
import { openSharded, parseShardIndex, planShards } from '../sharded.ts';
import type { TensorStore } from '../tensor-store.ts';
import { isMissing, readError } from './file-errors.ts';
import { type WrittenFile, writeFileDurably } from './file-sink.ts';
import { fileSource } from './file-source.ts';

/**
 * Opens a `.safetensors` file, a `.index.json`, or a folder that holds `<base>.safetensors` or
 * `<base>.safetensors.index.json` (base: `model`). `CHECKPOINT_MISSING` if there is neither; a shard that the index
 * names but the folder lacks is `CHECKPOINT_BROKEN`.
 */
export async function openModel(path: string, base = 'model'): Promise<TensorStore> {
  if (path.endsWith('.index.json')) return openIndex(path, join(path, '..'));
  if (path.endsWith('.safetensors')) return openSafetensors(await fileSource(path));
  const index = join(path, `${base}.safetensors.index.json`);
  if (await exists(index)) return openIndex(index, path);
  const single = join(path, `${base}.safetensors`);
  if (await exists(single)) return openSafetensors(await fileSource(single));
  throw new SpectraError('CHECKPOINT_MISSING', {
    message: `it holds neither ${base}.safetensors nor ${base}.safetensors.index.json.`,
    where: path,
    fix: 'Give the folder of a model, or a .safetensors file.',
  });
}

async function openIndex(index: string, folder: string): Promise<TensorStore> {
  let json: string;
  try {
    json = await readFile(index, 'utf8');
  } catch (error) {
    throw readError(error, index);
  }
  return openSharded(parseShardIndex(json, index), file => openShard(folder, file, index), index);
}

async function openShard(folder: string, file: string, index: string): ReturnType<typeof fileSource> {
  try {
    return await fileSource(join(folder, file));
  } catch (error) {
    if (!(error instanceof SpectraError) || error.code !== 'FILE_MISSING') throw error;
    throw new SpectraError('CHECKPOINT_BROKEN', {
      message: `the shard ${file} is missing.`,
      where: index,
      fix: 'Download or copy all shards.',
      cause: error,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw readError(error, path);
  }
}

export interface WriteModelOptions extends WriteOptions {
  /** Tensor bytes per file; 5 GB by default. */
  readonly maxShardBytes?: number;
  /** File names start with it; `model` by default. */
  readonly base?: string;
}

/**
 * Writes the weights into an existing folder, as one file or as shards and an index, each synced; returns every
 * file's size and hash. Existing files are not overwritten (`FILE_EXISTS`).
 */
export async function writeModel(
  folder: string,
  specs: readonly TensorSpec[],
  options: WriteModelOptions = {},
): Promise<Record<string, WrittenFile>> {
  const base = options.base ?? 'model';
  const plan = planShards(specs, options.maxShardBytes ?? 5e9, base, options.metadata);
  const written: Record<string, WrittenFile> = {};
  for (const { file, specs: part } of plan.shards) {
    written[file] = await writeFileDurably(join(folder, file), sink => writeSafetensors(sink, part, options));
  }
  if (plan.index !== undefined) {
    const file = `${base}.safetensors.index.json`;
    const json = new TextEncoder().encode(`${JSON.stringify(plan.index, null, 2)}\n`);
    written[file] = await writeFileDurably(join(folder, file), sink => sink.write(json));
  }
  return written;
}
