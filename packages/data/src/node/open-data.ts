/** From a data configuration to a dataset. */
import { Dataset } from '../dataset.ts';
import type { Corpus } from '../document.ts';
import type { DataConfig } from '../schema.ts';
import { chosenEos, openTokenizer, readChatTemplate, tokenizerFolder } from './load-tokenizer.ts';
import { openCorpus } from './open-corpus.ts';

export interface OpenDataOptions {
  /** Folders from which the text packages are resolved; the working directory by default. */
  readonly resolveFrom?: readonly string[];
  /** Used if the configuration names no seed; 0 by default. */
  readonly seed?: number;
  /** The folder of the model that is trained, for its tokenizer. */
  readonly modelFolder?: string | undefined;
}

/**
 * Opens tokenizer and corpora; what they need of the model's folder is read now, since that may go. Errors: `FILE_MISSING`
 * (a path or package), `CORPUS_INVALID` (empty, unreadable or of another form; texts themselves are read, and checked, as
 * they are asked for), `TOKENIZER_INVALID`, `CONFIG_INVALID`.
 */
export async function openData(config: DataConfig, options: OpenDataOptions = {}): Promise<Dataset> {
  const corpora: Corpus[] = [];
  const folder = tokenizerFolder(config.tokenizer, options.modelFolder);
  const talks = config.corpora.some(({ source }) => source === 'chat');
  const template =
    talks && folder !== undefined ? await readChatTemplate(folder, chosenEos(config.tokenizer)) : undefined;
  for (const corpus of config.corpora) {
    corpora.push(
      await openCorpus(corpus, {
        documentLength: config.document_length ?? 4 * config.length,
        ...(options.resolveFrom === undefined ? {} : { resolveFrom: options.resolveFrom }),
        ...(template === undefined ? {} : { chatTemplate: template }),
      }),
    );
  }
  const weights = weightsOf(config);
  return new Dataset({
    corpora,
    tokenizer: await openTokenizer(config.tokenizer, options.modelFolder),
    length: config.length,
    batch: config.batch,
    heldOut: config.held_out,
    splitSeed: config.split_seed,
    shuffle: config.shuffle,
    temperature: config.temperature,
    seed: config.seed ?? options.seed ?? 0,
    ...(weights === undefined ? {} : { weights }),
  });
}

/** Weights of corpora of one domain add up. */
function weightsOf(config: DataConfig): Record<string, number> | undefined {
  const weights: Record<string, number> = {};
  for (const { domain, weight } of config.corpora) {
    if (weight !== undefined) weights[domain] = (weights[domain] ?? 0) + weight;
  }
  return Object.keys(weights).length === 0 ? undefined : weights;
}
