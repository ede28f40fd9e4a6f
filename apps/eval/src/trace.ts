/** Which experts serve each token of a text, layer by layer, under the causal rule. */
import { encodePrompt, type Tokenizer } from '@spectra/data';
import { checkValue } from '@spectra/tensor';
import { tokenTexts } from '@spectra/trainer';
import { type DecoderModel, generate } from '@spectra/transformer';

export interface TracedToken {
  readonly id: number;
  /** What it adds to the text before it; see `tokenTexts`. */
  readonly text: string;
  /** [layers] experts by falling gate. */
  readonly experts: readonly (readonly number[])[];
  /** [layers] their gates. */
  readonly gates: readonly (readonly number[])[];
}

/**
 * Reads `text` once, begun as the tokenizer begins texts, and returns its tokens with their routes. Throws `VALUE` for an
 * empty text or a model without mixture-of-experts layers.
 */
export async function traceText(
  model: DecoderModel,
  tokenizer: Tokenizer,
  text: string,
): Promise<TracedToken[]> {
  const ids = encodePrompt(tokenizer, text);
  checkValue(
    text !== '' && ids.length > 0,
    'the text has no token.',
    'traceText',
    'Give a text with --text or --file.',
  );
  checkValue(model.routers.length > 0, 'the model has no mixture-of-experts layer.', 'traceText');
  const [row] = await generate(model, [ids], { maxNewTokens: 0 });
  const texts = tokenTexts(ids, tokenizer);
  return ids.map((id, i) => {
    const { experts, gates } = row!.promptRoutes[i]!;
    return { id, text: texts[i]!, experts, gates };
  });
}
