/** The text of a run: an endless training stream, held-out batches and what a unigram model would pay. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Dataset,
  openData,
  type StreamCursor,
  type Tokenizer,
  type TrainStream,
  unigramEntropy,
} from '@spectra/data/node';
import { SpectraError } from '@spectra/tensor';
import type { TrainerConfig } from '../config/schema.ts';
import type { HeldOutBatch } from '../evaluation/evaluate.ts';
import { checkRowLength, freshSource, type ModelSource } from '../training/model-source.ts';

export interface TrainingData {
  readonly stream: TrainStream;
  readonly domains: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly heldOut: readonly HeldOutBatch[];
  /** Nats per token of the training text's token frequencies; reads all of it. */
  unigramEntropy(): Promise<number>;
  /** Passes over the training text so far, mean over the domains. */
  epoch(): number;
}

/**
 * Opens the configured corpora, at the cursor where one is given, for a model: that of the configuration, or the one
 * that `openModelSource` found. Errors are those of `openData`; `CONFIG_INVALID` for rows longer than the model allows
 * and, as `TOKENIZER_INVALID` of a model that exists, for tokens that the model does not have.
 */
export async function openTrainingData(
  config: TrainerConfig,
  cursor?: StreamCursor,
  source: DataModel = freshSource(config),
): Promise<TrainingData> {
  checkRowLength(config, source);
  const dataset = await openData(config.data, {
    seed: config.seed,
    resolveFrom: [dirname(fileURLToPath(import.meta.url)), process.cwd()],
    modelFolder: source.folder,
  });
  checkVocabulary(dataset.tokenizer.vocabSize, source);
  const domains = dataset.domains.map(domain => domain.name);
  const stream = dataset.stream(cursor);
  await stream.ready();
  return {
    stream,
    domains,
    tokenizer: dataset.tokenizer,
    heldOut: await heldOutBatches(dataset, domains, config.train.eval_tokens),
    unigramEntropy: () => trainingEntropy(dataset, domains),
    epoch: () => {
      const epochs = Object.values(stream.epochs());
      return epochs.reduce((sum, value) => sum + value, 0) / epochs.length;
    },
  };
}

/** What data needs to know of the model. */
export type DataModel = Pick<ModelSource, 'description' | 'folder'>;

function checkVocabulary(tokens: number, { description, folder }: DataModel): void {
  const { vocabulary } = description.architecture;
  if (tokens <= vocabulary) return;
  if (folder !== undefined) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: `the tokenizer has ${tokens} tokens, the model only ${vocabulary}.`,
      where: folder,
      fix: "Give the model's own tokenizer as data.tokenizer.",
    });
  }
  throw new SpectraError('CONFIG_INVALID', {
    message: `the tokenizer has ${tokens} tokens, model.vocab_size is ${vocabulary}.`,
    where: 'model.vocab_size',
    fix: `Set model.vocab_size to at least ${tokens}.`,
  });
}

async function heldOutBatches(
  dataset: Dataset,
  domains: readonly string[],
  tokens: number,
): Promise<HeldOutBatch[]> {
  const batches: HeldOutBatch[] = [];
  for (const [domain, name] of domains.entries()) {
    for await (const batch of dataset.heldOut(name, { tokens })) batches.push({ domain, tokens: batch });
  }
  return batches;
}

async function trainingEntropy(dataset: Dataset, domains: readonly string[]): Promise<number> {
  const total = new Float64Array(dataset.tokenizer.vocabSize);
  for (const name of domains)
    (await dataset.tokenCounts(name, 'train')).forEach((count, id) => {
      total[id]! += count;
    });
  return unigramEntropy(total);
}
