import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { byteTokenizer, loadTokenizer, type Tokenizer } from '@spectra/data/node';
import { formatTable } from '@spectra/monitor/node';
import { type BackendName, SpectraError, setBackend } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { traceText } from '../trace.ts';

interface TraceOptions {
  readonly text?: string;
  readonly file?: string;
  readonly json: boolean;
  readonly backend: BackendName | 'auto';
}

export async function traceCommand(folder: string, options: TraceOptions): Promise<void> {
  const text = textOf(options);
  await setBackend(options.backend);
  const model = await loadModel(folder);
  try {
    const tokenizer = await tokenizerOf(folder);
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
  if (text !== undefined) return text;
  try {
    return readFileSync(file!, 'utf8');
  } catch (cause) {
    throw new SpectraError('FILE_MISSING', { message: 'the file cannot be read.', where: file!, cause });
  }
}

/** The folder's own tokenizer.json, or bytes where there is none. */
async function tokenizerOf(folder: string): Promise<Tokenizer> {
  return existsSync(join(folder, 'tokenizer.json')) ? loadTokenizer(folder) : byteTokenizer();
}
