/** Replaces the router of a model in a folder: new files hold the router, the others are shared with the source. */
import { join } from 'node:path';
import { indexText, type StreamedSpec, specBytes } from '@spectra/checkpoint';
import {
  checkTarget,
  companionFiles,
  openModel,
  sourceIdentity,
  type WrittenFile,
  writeModelFolder,
} from '@spectra/checkpoint/node';
import type { ModelDescription } from '@spectra/transformer';
import { loadModel, loadModelDescription } from '@spectra/transformer/node';
import { disposeRouters, type NewRouters, needsModel, newRouters, type RouterStart } from '../new-routers.ts';
import type { UpcyclePlan } from '../plan.ts';
import { planReplacement, type ReplacementOptions } from '../plan-replacement.ts';
import { plannedSpec } from '../streams.ts';
import { jsonText } from './apply.ts';
import type { Families } from './upcycle-folder.ts';

/**
 * Writes to `to` a new shard with the router, an index and `config.json`; every other shard is a hard link to the source's
 * (or, across disks, a symbolic link, which needs the source to stay). The source is not changed.
 */
export async function replaceRouterFolder(
  from: string,
  to: string,
  options: ReplacementOptions & RouterStart,
  families: Families = {},
): Promise<{ readonly plan: UpcyclePlan; readonly written: Record<string, WrittenFile> }> {
  await checkTarget(to); // before minutes are spent on a fit
  const description = await loadModelDescription(from, families);
  const { fitted, ...measured } = await fromModel(from, description, options);
  const store = await openModel(from);
  try {
    const plan = planReplacement(store, description, { ...options, ...measured }, fitted);
    const fresh = plan.tensors.filter(({ role }) => role !== 'carried');
    const carried = plan.tensors.filter(({ role }) => role === 'carried');
    const specs: StreamedSpec[] = fresh.map(tensor => plannedSpec(store, tensor, 0));
    const files = new Set(carried.map(({ name }) => store.stored.entry(name).file));
    const single = files.has('model.safetensors');
    // a reader that finds the single file's name would not look at the index
    const renamed = (file: string): string =>
      file === 'model.safetensors' ? 'model-weights.safetensors' : file;
    const taken = new Set([...files].map(renamed));
    const shard = freeName(taken);
    const homes = function* (): Generator<[string, string]> {
      for (const { name } of carried) yield [name, renamed(store.stored.entry(name).file)];
      for (const { name } of fresh) yield [name, shard];
    };
    const size = plan.tensors.reduce((sum, tensor) => sum + specBytes(tensor), 0);
    const index = indexText({ total_size: size }, homes());
    const copies = await companionFiles(from);
    const written = await writeModelFolder(to, {
      identity: ['replace-router', await sourceIdentity(from, store, copies), plan.config, options, single],
      shards: [{ file: shard, specs, metadata: { format: 'pt' } }],
      texts: { 'config.json': jsonText(plan.config), 'model.safetensors.index.json': index },
      copies,
      links: Object.fromEntries([...files].map(file => [renamed(file), join(from, file)])),
    });
    return { plan, written };
  } finally {
    disposeRouters(fitted);
    await store.close();
  }
}

/**
 * The plan of a replacement: a router that would be fitted counts as a fresh one. Reads headers only, but for a factor
 * that has to be measured on the calibration.
 */
export async function planReplacementFolder(
  from: string,
  options: ReplacementOptions & RouterStart,
  families: Families = {},
): Promise<UpcyclePlan> {
  const description = await loadModelDescription(from, families);
  const measured = await fromModel(from, description, { ...options, init: 'fresh' });
  const store = await openModel(from);
  try {
    return planReplacement(store, description, { ...options, ...measured });
  } finally {
    await store.close();
  }
}

/** Loads the model where its routers' choices are asked for: it is in memory as for running it. */
async function fromModel(
  folder: string,
  { architecture, family }: ModelDescription,
  options: ReplacementOptions & RouterStart,
): Promise<NewRouters> {
  if (architecture.moe === undefined || !needsModel(architecture.moe, options)) return {};
  const model = await loadModel(folder, { families: [family] });
  try {
    return await newRouters(model, options);
  } finally {
    model.dispose();
  }
}

function freeName(taken: ReadonlySet<string>): string {
  let number = 1;
  const name = (): string => `model-router${number === 1 ? '' : `-${number}`}.safetensors`;
  while (taken.has(name())) number++;
  return name();
}
