/** The case studies: texts whose tokens show their experts. */
import type { Tokenizer } from '@spectra/data';
import type { DecoderModel } from '@spectra/transformer';
import type { TextRow } from '../runs/row.ts';
import { traceText } from '../trace.ts';

export async function measureTexts(
  model: DecoderModel,
  tokenizer: Tokenizer,
  texts: readonly { readonly title: string; readonly text: string }[],
): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  for (const { title, text } of texts) {
    const tokens = await traceText(model, tokenizer, text);
    const layers = model.routers.map((_, layer) => layer);
    const rounded = (gate: number): number => Number(gate.toPrecision(4));
    rows.push({
      title,
      tokens: tokens.map(({ text: piece }) => piece),
      experts: layers.map(layer => tokens.map(({ experts }) => [...experts[layer]!])),
      gates: layers.map(layer => tokens.map(({ gates }) => gates[layer]!.map(rounded))),
    });
  }
  return rows;
}
