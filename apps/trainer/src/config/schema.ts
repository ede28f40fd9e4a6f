/** A run as data: one schema gives the type, the defaults, the validation, the help and the editors' JSON schema. */
import { dataConfigSchema } from '@spectra/data';
import { z } from 'zod';
import { isPretrained, trainedModelSchema } from './model.ts';

const whole = z.int().nonnegative();
const positive = z.int().positive();

const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), warmup_steps: whole.default(0) }),
  z.strictObject({
    kind: z.literal('cosine').optional().default('cosine'),
    warmup_steps: whole.default(30),
    final_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('Learning rate at the last step over the peak.'),
  }),
  z.strictObject({
    kind: z.literal('wsd'),
    warmup_steps: whole.default(30),
    decay_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('Share of the steps spent in the final decay.'),
    final_ratio: z.number().min(0).max(1).default(0.1),
  }),
]);

const groupSchema = z.strictObject({
  match: z
    .string()
    .refine(isRegExp, 'not a regular expression')
    .optional()
    .describe('Regular expression on parameter names; none: every parameter of the role.'),
  role: z.enum(['router', 'expert', 'other']).optional().describe('Restricts the group to one role.'),
  lr_ratio: z
    .number()
    .nonnegative()
    .default(1)
    .describe('Multiplies the learning rate; 0 freezes: no gradient, no moments.'),
  weight_decay: z.number().nonnegative().optional().describe("Overrides the optimizer's weight decay."),
});

const trainSchema = z.strictObject({
  steps: positive.default(300).describe('Optimizer steps.'),
  settle_steps: positive
    .optional()
    .describe(
      "Steps after those, of forward passes alone: weights stay, the routers' prices, biases and averages come to rest; none by default.",
    ),
  micro_batches: positive
    .default(1)
    .describe('Micro-batches a step; each is one routing batch of batch × length tokens.'),
  workers: positive.default(1).describe('Threads that share the micro-batches; does not change the result.'),
  balance: z
    .enum(['batch', 'potentials', 'none'])
    .default('batch')
    .describe("The router's rule while training."),
  causal_steps: positive
    .optional()
    .describe(
      "So many of the optimizer's last steps route by `potentials`, the rule that decoding has, whatever `balance` is; none by default.",
    ),
  embedding_noise: z
    .number()
    .positive()
    .optional()
    .describe(
      "NEFTune's α: while training, uniform noise of α/√(tokens of the document × hidden_size) is added to the embeddings; none by default.",
    ),
  max_seconds: z.number().positive().optional().describe('Stops training after this long, wherever it is.'),
  eval_every: whole.default(100).describe('Steps between evaluations on held-out text; 0: only at the end.'),
  eval_tokens: positive.default(4096).describe('Held-out tokens per domain at each evaluation.'),
  log_every: positive.default(1).describe('Steps between lines of metrics.jsonl.'),
  checkpoint_every: whole.default(100).describe('Steps between checkpoints; 0: only at the end.'),
  keep_checkpoints: positive.default(2).describe('Newest checkpoints kept.'),
  milestones: z
    .array(z.number().gt(0).max(1))
    .default([])
    .describe('Shares of the steps after which a checkpoint is saved and kept, whatever its age.'),
});

const optimSchema = z.strictObject({
  lr: z.number().positive().default(2e-3).describe('Peak learning rate.'),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
  eps: z.number().positive().default(1e-8),
  weight_decay: z.number().nonnegative().default(0.01).describe('Decoupled; matrices only.'),
  clip: z
    .number()
    .positive()
    .default(1)
    .describe('Global gradient norm above which gradients are scaled down.'),
  schedule: scheduleSchema.prefault({}),
  groups: z.array(groupSchema).default([]).describe('The first group that matches a parameter decides.'),
});

const sampleSchema = z.strictObject({
  prompts: z.array(z.string()).default([]).describe('Continued at the end of the run.'),
  tokens: positive.default(120).describe('Tokens generated per prompt.'),
  temperature: z.number().nonnegative().default(0.8).describe('0: greedy.'),
  top_p: z.number().positive().max(1).default(0.95),
});

function isRegExp(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

/** What a run may be called. */
export const RUN_NAME = /^\w[\w.-]*$/;

export const trainerConfigSchema = z
  .strictObject({
    version: z
      .literal(1, {
        error: ({ input }) => `this program reads version 1 of configurations, not ${String(input)}`,
      })
      .default(1)
      .describe('Of the form of this file; without it 1.'),
    name: z
      .string()
      .regex(RUN_NAME, 'letters, digits, dots, dashes and underscores only, no dot or dash first')
      .describe('Name of the run and its folder.'),
    seed: whole.default(0).describe('Decides weights, data order and samples.'),
    backend: z
      .enum(['auto', 'wasm', 'webgpu', 'tensorflow', 'cpu'])
      .default('auto')
      .describe('TensorFlow.js backend.'),
    runs_dir: z
      .string()
      .default('runs')
      .describe('Folder of run folders, relative to the working directory.'),
    model: trainedModelSchema,
    data: dataConfigSchema.prefault({}),
    train: trainSchema.prefault({}),
    optim: optimSchema.prefault({}),
    sample: sampleSchema.prefault({}),
    bounds: z
      .strictObject({
        load_cv: z.number().positive().default(0.1),
        gram_orthogonality: z.number().positive().default(0.94),
      })
      .prefault({})
      .describe('What the summary calls met or missed.'),
  })
  .superRefine(({ model, data }, context) => {
    if (isPretrained(model)) return;
    if (model.positions === 'learned' && data.length > model.max_position_embeddings) {
      const message = `rows of ${data.length} tokens need as many learned positions: model.max_position_embeddings is ${model.max_position_embeddings}`;
      context.addIssue({ code: 'custom', path: ['data', 'length'], message });
    }
  });

export type TrainerConfig = z.infer<typeof trainerConfigSchema>;
