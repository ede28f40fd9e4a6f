/** Replaces the router of a model in a folder: new files hold the router, the others are shared with the source. */
import { join } from 'node:path';
import { type StreamedSpec, specBytes } from '@spectra/checkpoint';
import { companionFiles, openModel, type WrittenFile, writeModelFolder } from '@spectra/checkpoint/node';
import { loadModelDescription } from '@spectra/transformer/node';
import type { UpcyclePlan } from '../plan.ts';
import { planReplacement, type ReplacementOptions } from '../plan-replacement.ts';
import { plannedSpec } from '../streams.ts';
import { folderIdentity, jsonText } from './apply.ts';

/**
 * Writes to `to` a new shard with the router, an index and `config.json`; every other shard is a hard link to the source's
 * (or, across disks, a symbolic link, which needs the source to stay). The source is not changed.
 */
export async function replaceRouterFolder(
  from: string,
  to: string,
  options: ReplacementOptions,
): Promise<{ readonly plan: UpcyclePlan; readonly written: Record<string, WrittenFile> }> {
  const description = await loadModelDescription(from);
  const store = await openModel(from);
  try {
    const plan = await planReplacement(store, description, options);
    const fresh = plan.tensors.filter(({ content }) => content.kind === 'fresh');
    const carried = plan.tensors.filter(({ content }) => content.kind === 'stored');
    const specs: StreamedSpec[] = fresh.map(tensor => plannedSpec(store, tensor, 0));
    const homes = carried.map(({ name }) => [name, store.stored.entry(name).file] as const);
    const files = new Set(homes.map(([, file]) => file));
    const single = files.has('model.safetensors');
    // a reader that finds the single file's name would not look at the index
    const renamed = (file: string): string =>
      file === 'model.safetensors' ? 'model-weights.safetensors' : file;
    const taken = new Set([...files].map(renamed));
    const shard = freeName(taken);
    const index = {
      metadata: { total_size: plan.tensors.reduce((sum, tensor) => sum + specBytes(tensor), 0) },
      weight_map: {
        ...Object.fromEntries(homes.map(([name, file]) => [name, renamed(file)])),
        ...Object.fromEntries(fresh.map(({ name }) => [name, shard])),
      },
    };
    const written = await writeModelFolder(to, {
      identity: ['replace-router', await folderIdentity(from), plan.config, options.seed ?? 0, single],
      shards: [{ file: shard, specs, metadata: { format: 'pt' } }],
      texts: { 'config.json': jsonText(plan.config), 'model.safetensors.index.json': jsonText(index) },
      copies: await companionFiles(from),
      links: Object.fromEntries([...files].map(file => [renamed(file), join(from, file)])),
    });
    return { plan, written };
  } finally {
    await store.close();
  }
}

function freeName(taken: ReadonlySet<string>): string {
  let number = 1;
  const name = (): string => `model-router${number === 1 ? '' : `-${number}`}.safetensors`;
  while (taken.has(name())) number++;
  return name();
}
