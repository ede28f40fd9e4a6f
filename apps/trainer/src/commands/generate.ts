import { renderTokens } from '@spectra/monitor';
import { setBackend, SpectraError } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { loadConfig } from '../config/load.ts';
import { openTokenizer } from '../data/tokenizer.ts';
import { sampleContinuation } from '../evaluation/sample.ts';
import { resolveModelPath } from '../run/model-path.ts';
import { runFolderAt } from '../run/run-folder.ts';

interface GenerateOptions {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly layer?: number;
  readonly backend?: 'auto' | 'wasm' | 'webgpu' | 'tensorflow' | 'cpu';
  readonly json: boolean;
}

export async function generateCommand(path: string, options: GenerateOptions): Promise<void> {
  const { model: folder, run } = await resolveModelPath(path);
  await setBackend(options.backend ?? 'auto');
  const tokenizer = await openTokenizer(folder, run === undefined ? undefined : loadConfig(runFolderAt(run).config));
  const model = await loadModel(folder);
  if (tokenizer.vocabSize > model.config.vocab_size) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${model.config.vocab_size}.`, where: folder,
    });
  }
  const sample = await sampleContinuation(model, tokenizer, {
    prompt: options.prompt || '\n', tokens: options.tokens, temperature: options.temperature, topP: options.topP, seed: options.seed,
    ...(options.layer === undefined ? {} : { layer: options.layer }),
  });
  if (options.json) console.log(JSON.stringify(sample, null, 2));
  else console.log(renderTokens(sample.tokens.map(({ text, experts }) => ({ text, expert: experts[0] ?? -1 }))));
  model.dispose();
}
