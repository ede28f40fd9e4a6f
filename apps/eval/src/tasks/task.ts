/** Downstream tasks: documents, how a model answers them, and the metrics by lm-evaluation-harness's names. */

export interface MultipleChoiceDocument {
  readonly context: string;
  readonly choices: readonly string[];
  /** Index of the right one. */
  readonly answer: number;
}

export interface GenerationDocument {
  readonly prompt: string;
  /** What the cleaned answer must equal. */
  readonly target: string;
}

export interface TextDocument {
  readonly text: string;
  /** Words and UTF-8 bytes of the original, where `text` was detokenised; counted in `text` by default. */
  readonly words?: number;
  readonly bytes?: number;
}

interface TaskBase {
  readonly name: string;
  readonly version: number;
  /** Where its documents come from. */
  readonly source: string;
}

export interface MultipleChoiceTask extends TaskBase {
  readonly kind: 'multiple_choice';
  /** Between context and choice. */
  readonly delimiter: string;
  readonly documents: readonly MultipleChoiceDocument[];
}

export interface GenerationTask extends TaskBase {
  readonly kind: 'generate_until';
  readonly documents: readonly GenerationDocument[];
  readonly until: readonly string[];
  readonly maxTokens: number;
  /** What of the generated text is compared with the target. */
  readonly clean: (text: string) => string;
}

export interface PerplexityTask extends TaskBase {
  readonly kind: 'loglikelihood_rolling';
  readonly documents: readonly TextDocument[];
}

/** By what is scored; raised where the same answers come to other numbers. */
export const TASK_VERSION: Readonly<Record<Task['kind'], number>> = {
  multiple_choice: 1,
  generate_until: 1,
  loglikelihood_rolling: 2,
};

export type Task = MultipleChoiceTask | GenerationTask | PerplexityTask;

export interface Metric {
  readonly value: number;
  /** Null where one document leaves none. */
  readonly stderr: number | null;
}

export interface TaskSample {
  readonly doc_id: number;
  readonly doc: unknown;
  readonly target: string;
  readonly resps: readonly unknown[];
  readonly [metric: string]: unknown;
}

/** What a row keeps; samples go to files of their own. */
export interface TaskResult {
  readonly task: string;
  readonly version: number;
  readonly kind: Task['kind'];
  readonly documents: number;
  readonly metrics: Readonly<Record<string, Metric>>;
}

/** Whether more is better. */
export const HIGHER_IS_BETTER: Readonly<Record<string, boolean>> = {
  acc: true,
  acc_norm: true,
  exact_match: true,
  word_perplexity: false,
  byte_perplexity: false,
  bits_per_byte: false,
};
