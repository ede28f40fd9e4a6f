/** Writes what a plan says, into a new folder. */
import { type ModelStore, planShards, type StreamedSpec } from '@spectra/checkpoint';
import { companionFiles, sourceIdentity, type WrittenFile, writeModelFolder } from '@spectra/checkpoint/node';
import type { UpcyclePlan } from '../plan.ts';
import { plannedSpec } from '../streams.ts';

export interface ApplyOptions {
  /** Of noise and dropped units; the plan's own. */
  readonly seed: number;
  /** Tensor bytes per file; 5 GB by default. A killed run goes on after the last whole file. */
  readonly maxShardBytes?: number;
  /** Keeps what is finished when a write fails, for another call to go on; else an error leaves nothing. */
  readonly keepOnError?: boolean;
  /** Called after each shard, also for one that a killed run had finished. */
  readonly onShard?: (file: string, written: WrittenFile) => void;
}

/**
 * Writes the plan's model to `to`, which appears whole or not at all; the same call again continues a run that was killed.
 * `store` is the source's, `from` its folder, whose tokenizer and other small files are copied. In memory are a few MB
 * and the fresh routers.
 */
export async function applyPlan(
  plan: UpcyclePlan,
  store: ModelStore,
  from: string,
  to: string,
  options: ApplyOptions,
): Promise<Record<string, WrittenFile>> {
  const { seed, maxShardBytes = 5e9, keepOnError = false, onShard } = options;
  const specs: StreamedSpec[] = plan.tensors.map(tensor => plannedSpec(store, tensor, seed));
  const { shards, index } = planShards(specs, maxShardBytes, 'model');
  const metadata = { format: 'pt' };
  const copies = await companionFiles(from);
  const source = await sourceIdentity(from, store, copies);
  return writeModelFolder(
    to,
    {
      identity: ['upcycle', source, plan.config, plannedNames(plan), seed, maxShardBytes],
      shards: shards.map(shard => ({ ...shard, metadata })),
      texts: {
        'config.json': jsonText(plan.config),
        ...(index === undefined ? {} : { 'model.safetensors.index.json': jsonText(index) }),
      },
      copies,
    },
    { keepOnError, ...(onShard === undefined ? {} : { onShard }) },
  );
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What is written under which name: all of the options that decide it. */
function plannedNames({ tensors }: UpcyclePlan): readonly unknown[] {
  return tensors.map(({ name, dtype, shape, transform, content }) => [
    name,
    dtype,
    shape,
    transform,
    content.kind === 'fresh' ? 0 : content.parts,
  ]);
}
