/** From a `config.json` to what a model is: its family and its architecture. */
import { checkQuantisation } from '@spectra/checkpoint';
import { SpectraError } from '@spectra/tensor';
import type { Architecture } from './architecture.ts';
import type { ModelConfig } from './config.ts';
import { ConfigFile, type Json } from './config-file.ts';
import { FAMILIES } from './families/index.ts';
import { llama } from './families/llama.ts';
import { ownArchitecture, spectra } from './families/spectra.ts';
import type { Family } from './family.ts';
import { toHfConfig } from './hf-config.ts';
import { MOE_OVERRIDE, overrideMoe } from './moe-override.ts';

export interface ModelDescription {
  readonly family: Family;
  /** The content of `config.json`, written back as it is. */
  readonly config: Json;
  readonly architecture: Architecture;
}

export interface DescribeOptions {
  /** The file, for messages. */
  readonly where?: string | undefined;
  /** Looked up before the built-in ones: a family of one's own, or another reading of a known one. */
  readonly families?: readonly Family[] | undefined;
}

/**
 * Reads the content of a `config.json`, of the published style or of transformers v5. Errors: `CONFIG_INVALID` for an
 * unknown `model_type`, which says what a description of it would have to add, and for keys that are missing or that
 * ask for what is not supported.
 */
export function describeModel(file: unknown, options: DescribeOptions = {}): ModelDescription {
  const config = new ConfigFile(file, options.where);
  const type = config.value('model_type');
  const family = [...(options.families ?? []), ...FAMILIES].find(({ modelType }) => modelType === type);
  if (family === undefined) throw unknownFamily(file, type, config.where);
  checkQuantisation(config.content, config.where);
  return { family, config: file as Json, architecture: architectureOf(family, config) };
}

/** What the family's keys say, and then our own key for mixtures of experts that the family has not. */
function architectureOf(family: Family, config: ConfigFile): Architecture {
  const override = config.value(MOE_OVERRIDE);
  if (override === undefined) return family.architecture(config);
  const { [MOE_OVERRIDE]: _ours, ...theirs } = config.content;
  return overrideMoe(family.architecture(new ConfigFile(theirs, config.where)), override, config);
}

/** Our own configuration; a dense one may be a `llama`, which is then saved as such. */
export function describeConfig(config: ModelConfig): ModelDescription {
  const family = config.model_type === 'llama' ? llama : spectra;
  return { family, config: toHfConfig(config), architecture: ownArchitecture(config) };
}

/** Says which keys a Llama, the common ground of most families, would make nothing of. */
function unknownFamily(file: unknown, type: unknown, where: string): SpectraError {
  const config = new ConfigFile(file, where);
  if (config.has('text_config')) {
    return new SpectraError('CONFIG_INVALID', {
      message: `model_type ${JSON.stringify(type)} wraps a text model (text_config) with others: only text models are read.`,
      where,
      fix: 'Take a checkpoint of the text model alone.',
    });
  }
  for (const key of IGNORED) config.value(key);
  let lacking: string;
  try {
    llama.architecture(config);
    const keys = config.unread();
    lacking = keys.length === 0 ? 'A Llama has all of its keys.' : `Keys no Llama has: ${keys.join(', ')}.`;
  } catch (error) {
    if (!(error instanceof SpectraError)) throw error;
    lacking = `As a Llama it cannot be read: ${error.message}`;
  }
  const known = FAMILIES.map(({ modelType }) => modelType).join(', ');
  return new SpectraError('CONFIG_INVALID', {
    message:
      `model_type ${JSON.stringify(type)} is no known family (${known}). ` +
      `Missing is a Family with its architecture and tensor names. ${lacking}`,
    where,
    fix: 'Pass a description of it as `families`; docs/adding-a-family.md shows how.',
  });
}

/** Keys of every file that say nothing of the computation. */
const IGNORED = [
  'model_type',
  'architectures',
  'torch_dtype',
  'dtype',
  'transformers_version',
  'use_cache',
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'initializer_range',
  'attention_dropout',
  'auto_map',
];
