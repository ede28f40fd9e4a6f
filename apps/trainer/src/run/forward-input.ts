/** The input file of `trainer forward`: token ids with what belongs to them. */
import { SpectraError } from '@spectra/tensor';
import type { DecoderModel } from '@spectra/transformer';
import { z } from 'zod';
import { readTextFile } from './text-file.ts';

const rows = z.array(z.array(z.int().nonnegative()).min(1)).min(1);
const batch = {
  input_ids: rows,
  attention_mask: z.array(z.array(z.union([z.literal(0), z.literal(1), z.boolean()]))).optional(),
  position_ids: rows.optional(),
};
type Batch = z.infer<z.ZodObject<typeof batch>>;

const inputSchema = z
  .object({ ...batch, prompt_ids: rows.optional(), padded: z.object(batch).optional() })
  .superRefine((input, context) => {
    checkWidths(input, [], context);
    if (input.padded !== undefined) checkWidths(input.padded, ['padded'], context);
  });

/** A batch of ids; a second one, `padded`, is run for its logits only. */
export type ForwardFile = z.infer<typeof inputSchema>;
export type ForwardBatch = Batch;

function checkWidths(input: Batch, path: string[], context: z.RefinementCtx): void {
  const width = input.input_ids[0]!.length;
  for (const key of ['input_ids', 'attention_mask', 'position_ids'] as const) {
    const given = input[key];
    if (given === undefined) continue;
    if (given.length === input.input_ids.length && given.every(row => row.length === width)) continue;
    context.addIssue({
      code: 'custom',
      path: [...path, key],
      message: `must be ${input.input_ids.length} rows of ${width}, as the first of input_ids`,
    });
  }
}

/** Errors: `FILE_MISSING`, `FILE_BROKEN`, and `USAGE` for another form. */
export function readForwardFile(path: string): ForwardFile {
  const text = readTextFile(path, 'input');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', {
      message: `it is not JSON: ${(cause as Error).message}`,
      where: path,
      cause,
    });
  }
  const parsed = inputSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SpectraError('USAGE', {
    message: parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; '),
    where: path,
  });
}

/** `USAGE` for an id or a position that the model has not: tfjs's backends differ in what they make of it. */
export function checkForwardFile(file: ForwardFile, model: DecoderModel, where: string): void {
  const { vocabulary, maxPositions } = model.architecture;
  const check = (given: readonly (readonly number[])[] | undefined, limit: number, key: string): void => {
    const wrong = given?.flat().find(value => value >= limit);
    if (wrong === undefined) return;
    throw new SpectraError('USAGE', { message: `${key} holds ${wrong}, it must be below ${limit}.`, where });
  };
  check(file.input_ids, vocabulary, 'input_ids');
  check(file.prompt_ids, vocabulary, 'prompt_ids');
  check(file.position_ids, maxPositions, 'position_ids');
  check(file.padded?.input_ids, vocabulary, 'padded.input_ids');
  check(file.padded?.position_ids, maxPositions, 'padded.position_ids');
}
