/** Continuations of a prompt in which each token shows its expert. */
import { encodePrompt, type Tokenizer } from '@spectra/data';
import { type DecoderModel, generate } from '@spectra/transformer';
import { nextTurn } from '../training/next-turn.ts';

export interface SampleOptions {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  /** Ends the continuation after one of these; none by default. */
  readonly stopTokens?: readonly number[];
  /** The mixture-of-experts layer whose experts are shown; by default the last. */
  readonly layer?: number;
}

export interface SampleToken {
  readonly text: string;
  /** By falling gate; empty for a dense model. */
  readonly experts: readonly number[];
  readonly gates: readonly number[];
  readonly prompt: boolean;
}

export interface Sample {
  readonly prompt: string;
  readonly tokens: readonly SampleToken[];
}

/** A prompt's tokens; something to go on from where it is empty and the tokenizer does not begin texts by itself. */
export function promptIds(tokenizer: Tokenizer, prompt: string): number[] {
  return encodePrompt(tokenizer, prompt === '' && tokenizer.bos === undefined ? '\n' : prompt);
}

export async function sampleContinuation(
  model: DecoderModel,
  tokenizer: Tokenizer,
  options: SampleOptions,
): Promise<Sample> {
  const ids = promptIds(tokenizer, options.prompt);
  const { tokens: maxNewTokens, temperature, topP, seed, stopTokens = [] } = options;
  const [row] = await generate(model, [ids], {
    maxNewTokens,
    temperature,
    topP,
    seed,
    stopTokens,
    onToken: nextTurn,
  });
  const layer = options.layer ?? model.routers.length - 1;
  const all = [...ids, ...row!.tokens];
  const routes = [...row!.promptRoutes, ...row!.routes];
  const texts = tokenTexts(all, tokenizer);
  return {
    prompt: options.prompt,
    tokens: all.map((_, i) => ({
      text: texts[i]!,
      experts: routes[i]?.experts[layer] ?? [],
      gates: routes[i]?.gates[layer] ?? [],
      prompt: i < ids.length,
    })),
  };
}

/**
 * The text each token adds to those before it; a character of several tokens belongs to its last. A token is not decoded
 * by itself: the decoders of SentencePiece vocabularies take the blank away that begins a text.
 */
export function tokenTexts(ids: readonly number[], tokenizer: Tokenizer): string[] {
  let before: number[] = [];
  let pending: number[] = [];
  return ids.map((id, i) => {
    pending.push(id);
    const [known, whole] = [tokenizer.decode(before), tokenizer.decode([...before, ...pending])];
    const text = whole.startsWith(known) ? whole.slice(known.length) : tokenizer.decode(pending);
    if (text.endsWith('\ufffd') && pending.length < 4 && i < ids.length - 1) return '';
    // one that shows nothing, as a mark may, leaves the next one where it stood
    before = text === '' ? [...before, ...pending] : pending;
    pending = [];
    return text;
  });
}
