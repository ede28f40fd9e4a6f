/** Converts a model folder into another: layout of experts, dtype, shards. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { type ConversionOptions, inFileOrder, planConversion } from '../conversion/plan-conversion.ts';
import { isRecord } from '../header.ts';
import { openModelFiles } from '../model-files.ts';
import { type StreamedSpec, specBytes } from '../safetensors-writer.ts';
import { planShards, type ShardIndex } from '../sharded.ts';
import { readError } from './file-errors.ts';
import type { WrittenFile } from './file-sink.ts';
import { DONE, MANIFEST } from './manifest.ts';
import { folderFiles } from './model.ts';
import { writeModelFolder } from './model-folder-writer.ts';
import { sourceIdentity } from './source-identity.ts';

export interface ConvertOptions extends ConversionOptions {
  /** Tensor bytes per file. Without it and without `layout`, every tensor stays in the file it is in. */
  readonly maxShardBytes?: number;
  /** Called after each shard. */
  readonly onShard?: (file: string, written: WrittenFile) => void;
}

/** Weights of any framework, their indices, and what makes a folder a training checkpoint. */
const LEFT_OUT =
  /\.(safetensors|bin|pt|pth|h5|msgpack|onnx|gguf)$|\.index\.json$|^state\.json$|^config\.(json|yaml)$/;
const DEFAULT_SHARD_BYTES = 5e9;

/**
 * Writes the model of the folder `from` to `to`, with the other files of the folder; see `planConversion` for what may
 * change. The target appears whole or not at all; one that is there is `FILE_EXISTS`. In memory is one piece of a tensor.
 */
export async function convertModel(
  from: string,
  to: string,
  options: ConvertOptions = {},
): Promise<Record<string, WrittenFile>> {
  const files = folderFiles(from);
  const text = await files.text('config.json');
  if (text === undefined) {
    throw new SpectraError('FILE_MISSING', {
      message: 'it has no config.json.',
      where: from,
      fix: 'Give the folder of a model.',
    });
  }
  const config = parseConfig(text, join(from, 'config.json'));
  const store = await openModelFiles(files);
  try {
    const { tensors, config: converted } = planConversion(store, config, options);
    const keep = options.maxShardBytes === undefined && options.layout === undefined;
    const { shards, index } = keep
      ? sameShards(tensors)
      : planShards(
          tensors.map(({ spec }) => spec),
          options.maxShardBytes ?? DEFAULT_SHARD_BYTES,
          'model',
        );
    const metadata = { format: 'pt', ...(index === undefined ? store.metadata : {}) };
    const { onShard, dtype, layout, maxShardBytes } = options;
    const copies = await companions(from);
    return await writeModelFolder(
      to,
      {
        identity: ['convert', await sourceIdentity(from, store, copies), dtype, layout, maxShardBytes],
        shards: shards.map(({ file, specs }) => ({ file, specs: inFileOrder(specs), metadata })),
        texts: {
          'config.json': converted === config ? text : `${JSON.stringify(converted, null, 2)}\n`,
          ...(index === undefined
            ? {}
            : { 'model.safetensors.index.json': `${JSON.stringify(index, null, 2)}\n` }),
        },
        copies,
      },
      onShard === undefined ? {} : { onShard },
    );
  } finally {
    await store.close();
  }
}

interface Shards {
  readonly shards: readonly { readonly file: string; readonly specs: readonly StreamedSpec[] }[];
  readonly index: ShardIndex | undefined;
}

/** The files of the source; one alone gets the name of a single file. */
function sameShards(tensors: readonly { readonly spec: StreamedSpec; readonly file: string }[]): Shards {
  const files = new Map<string, StreamedSpec[]>();
  for (const { spec, file } of tensors) files.set(file, [...(files.get(file) ?? []), spec]);
  const shards = [...files]
    .map(([file, specs]) => ({ file, specs }))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
  if (shards.length === 1) {
    return { shards: shards.map(({ specs }) => ({ file: 'model.safetensors', specs })), index: undefined };
  }
  const homes = tensors.map(({ spec, file }) => [spec.name, file] as const);
  const total = tensors.reduce((sum, { spec }) => sum + specBytes(spec), 0);
  const sorted = homes.sort(([a], [b]) => (a < b ? -1 : 1));
  return { shards, index: { metadata: { total_size: total }, weight_map: Object.fromEntries(sorted) } };
}

function parseConfig(text: string, where: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: 'it is not JSON.', where, cause });
  }
  if (!isRecord(config)) throw new SpectraError('CONFIG_INVALID', { message: 'it holds no object.', where });
  return config;
}

/** The files beside the weights that belong to the model: tokenizer, generation settings, licence. */
async function companions(folder: string): Promise<Record<string, string>> {
  try {
    const names = await readdir(folder, { withFileTypes: true });
    const trained = names.some(({ name }) => name === DONE);
    const wanted = names.filter(
      entry =>
        !entry.isDirectory() &&
        !entry.name.startsWith('.') &&
        !LEFT_OUT.test(entry.name) &&
        !(trained && (entry.name === DONE || entry.name === MANIFEST)),
    );
    return Object.fromEntries(wanted.map(({ name }) => [name, join(folder, name)]));
  } catch (error) {
    throw readError(error, folder);
  }
}
