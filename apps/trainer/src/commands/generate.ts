/** Continues a prompt and shows which expert served each token. */
import { loadChatTemplate } from '@spectra/data/node';
import { renderTokens } from '@spectra/monitor/node';
import { SpectraError, setBackend } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { isPretrained } from '../config/model.ts';
import { sampleContinuation } from '../evaluation/sample.ts';
import { type BackendChoice, resolveModelPath } from '../run/model-path.ts';
import { modelTokenizer } from '../run/model-tokenizer.ts';

interface GenerateOptions {
  readonly prompt: string;
  readonly chat: boolean;
  readonly tokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly layer?: number;
  readonly backend?: BackendChoice;
  readonly json: boolean;
}

export async function generateCommand(path: string, options: GenerateOptions): Promise<void> {
  const place = await resolveModelPath(path);
  const { model: folder, run } = place;
  await setBackend(options.backend ?? run?.config.backend ?? 'auto');
  const tokenizer = await modelTokenizer(place);
  const prompt = options.chat ? await conversation(folder, options.prompt) : options.prompt || '\n';
  const model = await loadModel(folder);
  if (tokenizer.vocabSize > model.architecture.vocabulary) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${model.architecture.vocabulary}.`,
      where: folder,
    });
  }
  const layers = model.routers.length;
  if (options.layer !== undefined && options.layer >= layers) {
    throw new SpectraError('USAGE', {
      message: `the model has ${layers} mixture-of-experts layers, so there is no layer ${options.layer}.`,
      where: '--layer',
    });
  }
  // a pretrained model says when it is done; texts of a model made here go on behind a document's end
  const stops = run === undefined || isPretrained(run.config.model);
  const sample = await sampleContinuation(model, tokenizer, {
    prompt,
    tokens: options.tokens,
    temperature: options.temperature,
    topP: options.topP,
    seed: options.seed,
    ...(stops && tokenizer.eos !== undefined ? { stopTokens: [tokenizer.eos] } : {}),
    ...(options.layer === undefined ? {} : { layer: options.layer }),
  });
  if (options.json) console.log(JSON.stringify(sample, null, 2));
  else
    console.log(renderTokens(sample.tokens.map(({ text, experts }) => ({ text, expert: experts[0] ?? -1 }))));
  model.dispose();
}

/** The prompt as a user's message, up to where the answer begins. */
async function conversation(folder: string, prompt: string): Promise<string> {
  const template = await loadChatTemplate(folder);
  return template.render([{ role: 'user', content: prompt }]);
}
