/** Continues a prompt and shows which expert served each token. */
import { answerEnd, type ChatTemplate, loadChatTemplate, type Tokenizer } from '@spectra/data/node';
import { renderTokens } from '@spectra/monitor/node';
import { SpectraError, setBackend } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { isPretrained } from '../config/model.ts';
import { sampleContinuation } from '../evaluation/sample.ts';
import { declaredEnds } from '../run/declared-ends.ts';
import { type BackendChoice, type ModelPath, resolveModelPath } from '../run/model-path.ts';
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
  const template = options.chat ? await loadChatTemplate(folder) : undefined;
  const stopTokens = await endsOf(place, tokenizer, template);
  const model = await loadModel(folder);
  if (tokenizer.vocabSize > model.architecture.vocabulary) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${model.architecture.vocabulary}.`,
      where: folder,
      fix: "Put the model's own tokenizer.json beside it.",
    });
  }
  const layers = model.routers.length;
  if (options.layer !== undefined && options.layer >= layers) {
    throw new SpectraError('USAGE', {
      message: `the model has ${layers} mixture-of-experts layers, so there is no layer ${options.layer}.`,
      where: '--layer',
      fix: layers === 0 ? 'Leave it out.' : `Give one of 0 to ${layers - 1}, or leave it out.`,
    });
  }
  const sample = await sampleContinuation(model, tokenizer, {
    // with a template a user's message up to where the answer begins
    prompt: template?.render([{ role: 'user', content: options.prompt }]) ?? options.prompt,
    tokens: options.tokens,
    temperature: options.temperature,
    topP: options.topP,
    seed: options.seed,
    stopTokens,
    ...(options.layer === undefined ? {} : { layer: options.layer }),
  });
  if (options.json) console.log(JSON.stringify(sample, null, 2));
  else
    console.log(renderTokens(sample.tokens.map(({ text, experts }) => ({ text, expert: experts[0] ?? -1 }))));
  model.dispose();
}

/**
 * What ends the text: what the model's files declare; the mark that the template writes behind an answer; the tokenizer's
 * end of a document, except where plain text of a model made here goes on behind it.
 */
async function endsOf(
  { model, run }: ModelPath,
  tokenizer: Tokenizer,
  template: ChatTemplate | undefined,
): Promise<number[]> {
  const stops = template !== undefined || run === undefined || isPretrained(run.config.model);
  const answered = template === undefined ? undefined : answerEnd(template, tokenizer);
  const marks = [stops ? tokenizer.eos : undefined, answered].filter(id => id !== undefined);
  return [...new Set([...marks, ...(await declaredEnds(model))])];
}
