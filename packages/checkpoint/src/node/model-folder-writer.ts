/** Writes a whole model folder: shards tensor by tensor, index, small files, links to files of another folder. */
import { createReadStream } from 'node:fs';
import { link, realpath, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { checkValue } from '@spectra/tensor';
import { type WritableSpec, writeSafetensors } from '../safetensors-writer.ts';
import { isPlainFileName } from '../sharded.ts';
import { readError, writeError } from './file-errors.ts';
import { type WrittenFile, writeFileDurably } from './file-sink.ts';
import { openPartialFolder } from './partial-folder.ts';

export interface ModelFolderPlan {
  /**
   * All that decides the content, as JSON: sources with sizes and times, options. A folder that a killed process left
   * half written is continued if its plan had an equal one, else begun anew.
   */
  readonly identity: unknown;
  readonly shards: readonly {
    readonly file: string;
    readonly specs: readonly WritableSpec[];
    readonly metadata?: Readonly<Record<string, string>>;
  }[];
  /** Text files by name, whole or in pieces: config.json, the index. */
  readonly texts?: Readonly<Record<string, string | Iterable<string>>>;
  /** Files to copy, by their new names. */
  readonly copies?: Readonly<Record<string, string>>;
  /** Files to share with another folder, by their new names: hard links or, across disks, symbolic ones. */
  readonly links?: Readonly<Record<string, string>>;
}

export interface WriteModelFolderOptions {
  /** Called after each shard, also for one that was there from a former process. */
  readonly onShard?: (file: string, written: WrittenFile) => void;
  /** Keeps what is finished when a write fails, so that another call goes on; else an error leaves nothing. */
  readonly keepOnError?: boolean;
}

/**
 * Writes the folder `target`, which appears whole or not at all: everything goes to `<target>.partial` first, each file
 * synced and noted, then one rename. Another call with an equal plan continues after a kill. In memory is one piece of a
 * tensor. Returns the size and hash of each shard and text. Errors: `FILE_EXISTS`, also while another process, of this
 * machine or one that shares the disk, writes there; `DISK_FULL`; `FILE_BROKEN` if a finished file was changed meanwhile;
 * those of the sources.
 */
export async function writeModelFolder(
  target: string,
  plan: ModelFolderPlan,
  options: WriteModelFolderOptions = {},
): Promise<Record<string, WrittenFile>> {
  const { texts = {}, copies = {}, links = {} } = plan;
  const names = [plan.shards.map(({ file }) => file), ...[texts, copies, links].map(Object.keys)].flat();
  for (const name of names) {
    checkValue(isPlainFileName(name), `${JSON.stringify(name)} is not a file name.`, 'writeModelFolder');
  }
  checkValue(new Set(names).size === names.length, 'two files have the same name.', 'writeModelFolder');
  const partial = await openPartialFolder(target, [plan.identity, names]);
  const written: Record<string, WrittenFile> = {};
  const copied: Record<string, WrittenFile> = {};
  try {
    for (const { file, specs, metadata } of plan.shards) {
      const done = partial.finished.get(file);
      written[file] =
        done ??
        (await writeAnew(join(partial.folder, file), sink =>
          writeSafetensors(sink, specs, metadata === undefined ? {} : { metadata }),
        ));
      if (done === undefined) await partial.finish(file, written[file]);
      options.onShard?.(file, written[file]);
    }
    for (const [file, from] of Object.entries(links)) await linkAnew(from, join(partial.folder, file));
    for (const [file, from] of Object.entries(copies)) {
      copied[file] = await copyAnew(from, join(partial.folder, file));
    }
    for (const [file, text] of Object.entries(texts)) {
      const pieces = typeof text === 'string' ? [text] : text;
      const encoder = new TextEncoder();
      written[file] = await writeAnew(join(partial.folder, file), async sink => {
        for (const piece of pieces) await sink.write(encoder.encode(piece));
      });
    }
    await partial.complete({ ...written, ...copied });
  } catch (error) {
    await (options.keepOnError ? partial.leave() : partial.discard());
    throw error;
  }
  return written;
}

async function writeAnew(path: string, fill: Parameters<typeof writeFileDurably>[1]): Promise<WrittenFile> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw writeError(error, path);
  }
  return writeFileDurably(path, fill);
}

/** The content alone: a source that may only be read gives a copy that its owner may change. */
async function copyAnew(from: string, to: string): Promise<WrittenFile> {
  return writeAnew(to, async sink => {
    try {
      for await (const chunk of createReadStream(from)) await sink.write(chunk as Buffer);
    } catch (error) {
      throw readError(error, from);
    }
  });
}

async function linkAnew(from: string, to: string): Promise<void> {
  let file: string;
  try {
    // the file itself: a cache may hold links that are relative to their own place
    file = await realpath(from);
  } catch (error) {
    throw readError(error, from);
  }
  try {
    await rm(to, { force: true });
    await link(file, to).catch(() => symlink(file, to));
  } catch (error) {
    throw writeError(error, to);
  }
}
