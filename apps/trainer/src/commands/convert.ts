/** Writes a model in another layout of experts, dtype or size of shards. */
import { existsSync } from 'node:fs';
import {
  type ConversionDtype,
  convertModel,
  type ExpertLayout,
  isHubId,
  modelFolder,
} from '@spectra/checkpoint/node';
import { formatBytes } from '../run/format.ts';
import { resolveModelPath } from '../run/model-path.ts';
import { keepHeapSmall } from '../run/small-heap.ts';

interface ConvertOptions {
  readonly dtype: ConversionDtype | 'keep';
  readonly layout: ExpertLayout | 'keep';
  /** In bytes. */
  readonly shardSize?: number;
  readonly revision?: string;
}

export async function convertCommand(path: string, target: string, options: ConvertOptions): Promise<void> {
  keepHeapSmall();
  const { dtype, layout, shardSize, revision } = options;
  const folder =
    !existsSync(path) && isHubId(path)
      ? await modelFolder(path, revision === undefined ? {} : { revision })
      : (await resolveModelPath(path)).model;
  const written = await convertModel(folder, target, {
    ...(dtype === 'keep' ? {} : { dtype }),
    ...(layout === 'keep' ? {} : { layout }),
    ...(shardSize === undefined ? {} : { maxShardBytes: shardSize }),
    onShard: (file, { size }) => console.error(`${file}: ${formatBytes(size)}`),
  });
  const bytes = Object.values(written).reduce((sum, { size }) => sum + size, 0);
  console.log(`${target}: ${Object.keys(written).length} files written, ${formatBytes(bytes)}`);
}
