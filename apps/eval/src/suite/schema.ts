/** A suite of experiments as data: arms, seeds, token budgets, and the tables they fill. */
import { z } from 'zod';

const positive = z.int().positive();
const name = z.string().regex(/^[\w.+-]+$/, 'letters, digits, dots, dashes and + only');
const overrides = z
  .record(z.string().regex(/^[\w-]+(\.[\w-]+)*$/, 'a dotted key of the trainer configuration'), z.unknown())
  .default({})
  .describe('Dotted keys of the trainer configuration and their values; null removes a key.');
const seeds = z
  .array(z.int().nonnegative())
  .min(1)
  .refine(list => new Set(list).size === list.length, 'a seed is there twice');

/** The tables of the paper, by its names. */
export const TABLE_IDS = [
  'T1',
  'T7',
  'T9',
  'T10',
  'T11',
  'T12',
  'T13',
  'B.4',
  'B.5',
  'C.2',
  'C.3',
  'A',
  'B',
  'C',
  'D',
  'E',
] as const;
export type TableId = (typeof TABLE_IDS)[number];

const armSchema = z.strictObject({
  label: z.string().min(1).optional().describe('What tables call it; its key by default.'),
  set: overrides,
  causal: z
    .boolean()
    .default(true)
    .describe('Whether its training rule reads no later token; if not, that score is shown in brackets.'),
  counted: z
    .boolean()
    .default(true)
    .describe('Whether it counts as a baseline; a row that does not is shown.'),
  seeds: seeds.optional().describe('It is trained with no others, whatever its tables ask for.'),
  match: z
    .strictObject({
      arm: name.describe('The arm to be equal to.'),
      quantity: z.enum(['parameters', 'active_parameters', 'flops']),
    })
    .optional()
    .describe(
      'Chooses the inner width of the feed-forward networks so that the quantity is as near as can be.',
    ),
});

const axisSchema = z.strictObject({
  name: z.string().min(1).describe('What the column is called.'),
  key: z.string().min(1).optional().describe('The dotted key that the values are put under.'),
  values: z
    .array(z.union([z.number(), z.string(), z.boolean(), z.null()]))
    .min(1)
    .optional(),
  options: z
    .array(z.strictObject({ label: z.string().min(1), set: overrides }))
    .min(1)
    .optional()
    .describe('Points that set several keys, in place of key and values.'),
});

const tableSchema = z.strictObject({
  arms: z.array(name).min(1).describe('Rows, or what is compared at each point.'),
  reference: name.optional().describe('The arm that others are compared with; the first by default.'),
  grids: z
    .array(z.array(axisSchema).min(1))
    .default([])
    .describe('Each a product of axes; a table has the points of all its grids.'),
  set: overrides,
  seeds: seeds.optional(),
  tokens: positive.optional().describe('Training tokens of a run.'),
  exploratory: z.boolean().default(false).describe('Marked as such, without tests.'),
  lengths: z.array(positive).optional().describe('Context lengths that the trained models read (sweep E).'),
});

export const suiteSchema = z.strictObject({
  name: name.describe('Names the report and the run folders.'),
  title: z.string().min(1),
  note: z.string().optional().describe('One paragraph at the head of the report.'),
  base: z
    .string()
    .min(1)
    .describe('Trainer configuration that every run starts from, relative to the suite.'),
  set: overrides,
  seeds: seeds.describe('Paired: every arm of a table is trained with each.'),
  tokens: positive.describe('Training tokens of a run, unless a table says otherwise.'),
  arms: z.record(name, armSchema),
  tables: z.partialRecord(z.enum(TABLE_IDS), tableSchema),
  probe_tokens: positive.default(1024).describe('Held-out tokens per domain that every checkpoint routes.'),
  texts: z
    .array(z.strictObject({ title: z.string().min(1), text: z.string().min(1) }))
    .default([])
    .describe(
      'Case studies: each token is shown with its experts, at the first seed of the reference of T1.',
    ),
  tasks: z.array(z.string().min(1)).default([]).describe('Downstream tasks for every arm of T1.'),
  keep_models: z.boolean().default(true).describe('Whether the last checkpoint of a run stays on disk.'),
  hardware: z
    .strictObject({ name: z.string().min(1), flops_per_second: z.number().positive() })
    .optional()
    .describe('A machine that is not this one: the plan divides by it in place of a measured speed.'),
});

export type Suite = z.infer<typeof suiteSchema>;
export type SuiteArm = z.infer<typeof armSchema>;
export type SuiteTable = z.infer<typeof tableSchema>;
export type SuiteAxis = z.infer<typeof axisSchema>;

/** The seeds of a table; an arm may have fewer. */
export const seedsOf = (suite: Suite, table: SuiteTable): number[] => table.seeds ?? suite.seeds;
