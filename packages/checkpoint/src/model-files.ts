/** A model's files by name, wherever they lie: a folder, a web address. One way to open the weights in them. */
import { SpectraError } from '@spectra/tensor';
import type { ByteSource } from './byte-source.ts';
import type { BlockSize } from './fp8-blocks.ts';
import { isRecord, quote } from './header.ts';
import { dequantised, type ModelStore } from './model-store.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { openSharded, parseShardIndex } from './sharded.ts';

export interface ModelFiles {
  /** The folder or address, for messages. */
  readonly name: string;
  /**
   * A small text file; undefined if it is not there. Larger than 100 MB: `CHECKPOINT_BROKEN`; one that cannot be read:
   * `FILE_BROKEN`.
   */
  text(file: string): Promise<string | undefined>;
  /** A file's bytes by range; undefined if it is not there. */
  source(file: string): Promise<ByteSource | undefined>;
}

/** Larger indices and configurations are refused. */
export const MAX_TEXT_BYTES = 100_000_000;

/**
 * Opens the weights `<base>.safetensors.index.json` or `<base>.safetensors` (base: `model`) under their logical names.
 * Only headers are read. Errors: `CHECKPOINT_MISSING` if there is neither, `CHECKPOINT_BROKEN` for a missing shard or
 * malformed file, `CHECKPOINT_MISMATCH` for scales that do not fit.
 */
export async function openModelFiles(files: ModelFiles, base = 'model'): Promise<ModelStore> {
  const block = await configuredBlock(files);
  const index = `${base}.safetensors.index.json`;
  const json = await files.text(index);
  if (json !== undefined) return openIndex(files, index, json, block);
  const single = `${base}.safetensors`;
  const source = await files.source(single);
  if (source === undefined) {
    throw new SpectraError('CHECKPOINT_MISSING', {
      message: `it holds neither ${single} nor ${index}.`,
      where: files.name,
      fix: 'Give the folder of a model, or a .safetensors file.',
    });
  }
  return openSingle(source, single, block);
}

/** Opens the shards that an index names, under their logical names. */
export async function openIndex(
  files: ModelFiles,
  index: string,
  json: string,
  block?: BlockSize,
): Promise<ModelStore> {
  const where = `${files.name.replace(/\/$/, '')}/${index}`;
  const stored = await openSharded(
    parseShardIndex(json, where),
    async file => {
      const source = await files.source(file);
      if (source !== undefined) return source;
      throw new SpectraError('CHECKPOINT_BROKEN', {
        message: `the shard ${file} is missing.`,
        where,
        fix: 'Download or copy all shards.',
      });
    },
    where,
  );
  return viewOf(stored, block);
}

/** Opens one file under its logical names. */
export async function openSingle(source: ByteSource, file: string, block?: BlockSize): Promise<ModelStore> {
  return viewOf(await openSafetensors(source, file), block);
}

async function viewOf(stored: Parameters<typeof dequantised>[0], block?: BlockSize): Promise<ModelStore> {
  try {
    return dequantised(stored, block === undefined ? {} : { block });
  } catch (error) {
    await stored.close();
    throw error;
  }
}

/** `quantization_config.weight_block_size` of config.json, if it says one. */
async function configuredBlock(files: ModelFiles): Promise<BlockSize | undefined> {
  const text = await files.text('config.json');
  if (text === undefined) return undefined;
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return undefined; // whoever reads the configuration reports it
  }
  const quantisation = isRecord(config) ? config.quantization_config : undefined;
  const block = isRecord(quantisation) ? quantisation.weight_block_size : undefined;
  if (block === undefined || block === null) return undefined;
  const sizes = Array.isArray(block) ? (block as unknown[]) : [];
  if (sizes.length !== 2 || !sizes.every(size => Number.isSafeInteger(size) && (size as number) > 0)) {
    throw new SpectraError('CONFIG_INVALID', {
      message: `quantization_config.weight_block_size is ${quote(block)}, not two whole numbers above 0.`,
      where: `${files.name}/config.json`,
    });
  }
  return sizes as unknown as BlockSize;
}
