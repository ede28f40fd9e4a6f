/** The same text read in shorter and longer pieces: does a token's route depend on how much came before? */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodePrompt, openData } from '@spectra/data/node';
import {
  checkpointConsistency,
  countLoad,
  loadMetrics,
  type RoutingObservation,
  sequentialOverlap,
} from '@spectra/monitor';
import { SpectraError } from '@spectra/tensor';
import { evaluate, freshModel, type TrainerConfig } from '@spectra/trainer';
import type { DecoderModel } from '@spectra/transformer';
import type { LengthRow } from '../runs/row.ts';
import { joined } from './milestones.ts';

/** Texts of a domain that are read. */
const TEXTS = 2;

/**
 * A row per length, rising; each divides the longest. The shortest is what the others are held against. Values are means
 * over layers.
 */
export async function measureLengths(
  model: DecoderModel,
  config: TrainerConfig,
  wanted: readonly number[],
): Promise<LengthRow[]> {
  const lengths = [...wanted].sort((a, b) => a - b);
  const longest = lengths.at(-1)!;
  const texts = await longTexts(config, longest);
  const { experts, k } = freshModel(config).moe!;
  let shortest: { indices: Int32Array; slots: number }[] | undefined;
  const rows: LengthRow[] = [];
  for (const length of lengths) {
    const { layers, loss } = await read(model, texts, length);
    const all = layers.map(joined);
    shortest ??= all;
    const same = all.map((decision, layer) =>
      checkpointConsistency({ ...shortest![layer]! }, { ...decision }, experts),
    );
    const overlaps = all.map(decision =>
      sequentialOverlap(decision, experts, { sequenceLength: length, expertsPerToken: k }),
    );
    rows.push({
      length,
      consistency: mean(same.map(({ top1Agreement }) => top1Agreement)),
      jaccard: mean(same.map(({ meanJaccard }) => meanJaccard)),
      sequential_overlap: mean(overlaps.map(overlap => overlap ?? 0)),
      load_cv: Math.max(...all.map(decision => loadMetrics(countLoad(decision, experts)).cv)),
      loss,
    });
  }
  return rows;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Texts of `length` tokens and one more as the last target: neighbouring held-out documents of a domain, joined, since
 * single ones are seldom that long.
 */
async function longTexts(config: TrainerConfig, length: number): Promise<Int32Array[]> {
  const dataset = await openData(config.data, {
    seed: config.seed,
    resolveFrom: [dirname(fileURLToPath(import.meta.resolve('@spectra/trainer'))), process.cwd()],
  });
  const found: Int32Array[] = [];
  for (const { name } of dataset.domains) {
    let [taken, ids] = [0, [] as number[]];
    for await (const text of dataset.documents(name, 'heldOut')) {
      const line = `${text}\n`;
      const { tokenizer } = dataset;
      for (const id of ids.length === 0 ? encodePrompt(tokenizer, line) : tokenizer.encode(line))
        ids.push(id);
      if (ids.length <= length) continue;
      found.push(Int32Array.from(ids.slice(0, length + 1)));
      ids = [];
      if (++taken === TEXTS) break;
    }
  }
  if (found.length > 0) return found;
  throw new SpectraError('CORPUS_INVALID', {
    message: `no domain has more than ${length} held-out tokens.`,
    where: 'lengths',
    fix: 'Hold out more, or take shorter lengths.',
  });
}

/** Each text cut into rows of `length`, one text a batch. */
async function read(
  model: DecoderModel,
  texts: readonly Int32Array[],
  length: number,
): Promise<{ layers: RoutingObservation[][]; loss: number }> {
  const layers: RoutingObservation[][] = [];
  const batches = texts.map(ids => {
    const size = ids.length - 1;
    return {
      domain: 0,
      tokens: {
        batch: size / length,
        length,
        inputIds: ids.slice(0, size),
        targets: ids.slice(1),
        weights: new Float32Array(size).fill(1),
        documents: new Int32Array(size),
      },
    };
  });
  const { causal } = await evaluate(model, batches, {
    domains: ['text'],
    trainingBalance: 'potentials',
    onCausalBatch: (_, decisions) => {
      for (const [layer, decision] of decisions.entries()) (layers[layer] ??= []).push(decision);
    },
  });
  return { layers, loss: causal.loss };
}
