import { dirname } from 'node:path';
import { formatTable, renderReport } from '@spectra/monitor/node';
import { type BackendName, SpectraError } from '@spectra/tensor';
import { makeFolder, readTextFile, writeAtomically } from '@spectra/trainer';
import { measureTexts } from '../measure/texts.ts';
import { traceText } from '../trace.ts';
import { openModel } from './model.ts';

interface TraceOptions {
  readonly text?: string;
  readonly file?: string;
  readonly json: boolean;
  readonly html?: string;
  readonly backend: BackendName | 'auto';
}

/** Each token with its experts per layer: a table, JSON, or a page on which layers and experts can be chosen. */
export async function traceCommand(path: string, options: TraceOptions): Promise<void> {
  const text = textOf(options);
  const { model, tokenizer } = await openModel(path, options.backend);
  try {
    if (options.html !== undefined) {
      const [traced] = await measureTexts(model, tokenizer, [{ title: 'Trace', text }]);
      const layers = traced!.experts.map((experts, layer) => ({
        layer,
        experts,
        gates: traced!.gates[layer]!,
      }));
      const page = renderReport({
        title: 'Experts by token',
        subtitle: `${path}, causal rule`,
        samples: [{ title: 'Text', tokens: traced!.tokens, layers }],
      });
      makeFolder(dirname(options.html));
      writeAtomically(options.html, page);
      console.error(`wrote ${options.html}`);
      return;
    }
    const tokens = await traceText(model, tokenizer, text);
    if (options.json) {
      console.log(JSON.stringify(tokens, null, 1));
      return;
    }
    const columns = ['token', ...model.routers.map((_, layer) => `layer ${layer}`)];
    const rows = tokens.map(({ text: piece, experts, gates }) => [
      JSON.stringify(piece),
      ...experts.map((chosen, layer) =>
        chosen.map((e, j) => `${e} (${gates[layer]![j]!.toFixed(2)})`).join(' '),
      ),
    ]);
    console.log(formatTable(columns, rows));
  } finally {
    model.dispose();
  }
}

function textOf({ text, file }: TraceOptions): string {
  if ((text === undefined) === (file === undefined)) {
    throw new SpectraError('USAGE', { message: 'give either --text or --file.', where: 'trace' });
  }
  return text ?? readTextFile(file!, 'file');
}
