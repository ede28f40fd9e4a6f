/** A model's weights in a folder: one `model.safetensors`, or shards with an index. */
import { readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { broken } from '../header.ts';
import { MAX_TEXT_BYTES, type ModelFiles, openIndex, openModelFiles, openSingle } from '../model-files.ts';
import type { ModelStore } from '../model-store.ts';
import {
  type ByteSink,
  type WritableSpec,
  type WriteOptions,
  writeSafetensors,
} from '../safetensors-writer.ts';
import { planShards } from '../sharded.ts';
import { isMissing, readError } from './file-errors.ts';
import { type WrittenFile, writeFileDurably } from './file-sink.ts';
import { fileSource } from './file-source.ts';

/** The files of a folder. */
export function folderFiles(folder: string): ModelFiles {
  return {
    name: folder,
    async text(file) {
      const path = join(folder, file);
      try {
        const found = await stat(path);
        if (!found.isFile()) {
          throw new SpectraError('FILE_BROKEN', { message: 'it is not a regular file.', where: path });
        }
        const { size } = found;
        if (size > MAX_TEXT_BYTES) throw broken(`it has ${size} bytes, too many for a JSON file.`, path);
        return await readFile(path, 'utf8');
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw readError(error, path);
      }
    },
    async source(file) {
      try {
        return await fileSource(join(folder, file));
      } catch (error) {
        if (error instanceof SpectraError && error.code === 'FILE_MISSING') return undefined;
        throw error;
      }
    },
  };
}

/**
 * Opens a `.safetensors` file, a `.index.json`, or a folder that holds `<base>.safetensors` or
 * `<base>.safetensors.index.json` (base: `model`), under logical names: FP8 and MXFP4 weights read as float32.
 * `CHECKPOINT_MISSING` if there is neither; a shard that the index names but the folder lacks is `CHECKPOINT_BROKEN`.
 */
export async function openModel(path: string, base = 'model'): Promise<ModelStore> {
  if (path.endsWith('.safetensors')) return openSingle(await fileSource(path), basename(path));
  if (!path.endsWith('.index.json')) return openModelFiles(folderFiles(path), base);
  const files = folderFiles(dirname(path));
  const json = await files.text(basename(path));
  if (json === undefined) {
    throw new SpectraError('FILE_MISSING', { message: 'there is no such file.', where: path });
  }
  return openIndex(files, basename(path), json);
}

export interface WriteModelOptions extends WriteOptions {
  /** Tensor bytes per file; 5 GB by default. */
  readonly maxShardBytes?: number;
  /** File names start with it; `model` by default. */
  readonly base?: string;
  /** Small files by name, written last: a folder without its `config.json` is no model. */
  readonly texts?: Readonly<Record<string, string>>;
}

/**
 * Writes the weights into an existing folder, as one file or as shards and an index, each synced; returns every
 * file's size and hash. Existing files are not overwritten (`FILE_EXISTS`); after an error the files that it made are gone.
 */
export async function writeModel(
  folder: string,
  specs: readonly WritableSpec[],
  options: WriteModelOptions = {},
): Promise<Record<string, WrittenFile>> {
  const base = options.base ?? 'model';
  const plan = planShards(specs, options.maxShardBytes ?? 5e9, base, options.metadata);
  const fills: [file: string, fill: (sink: ByteSink) => Promise<void>][] = plan.shards.map(
    ({ file, specs: part }) => [file, sink => writeSafetensors(sink, part, options)],
  );
  if (plan.index !== undefined) {
    const json = new TextEncoder().encode(`${JSON.stringify(plan.index, null, 2)}\n`);
    fills.push([`${base}.safetensors.index.json`, sink => sink.write(json)]);
  }
  for (const [name, text] of Object.entries(options.texts ?? {}))
    fills.push([name, sink => sink.write(new TextEncoder().encode(text))]);
  const written: Record<string, WrittenFile> = {};
  for (const [file, fill] of fills) {
    try {
      written[file] = await writeFileDurably(join(folder, file), fill);
    } catch (error) {
      const other = error instanceof SpectraError && error.code === 'FILE_EXISTS';
      const made = [...Object.keys(written), ...(other ? [] : [file])];
      await Promise.allSettled(made.map(name => rm(join(folder, name), { force: true })));
      throw error;
    }
  }
  return written;
}
