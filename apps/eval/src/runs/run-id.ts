/** What a run is known by: a hash of all that decides its numbers, names and places left out. */
import { createHash } from 'node:crypto';
import { configHash, type TrainerConfig } from '@spectra/trainer';

/** Raised when rows of an older version can no longer be compared. */
export const ROW_FORMAT = 1;

/** Shares of training after which a checkpoint is kept and probed, beside 0 and 1. */
export const MILESTONES = [0.1, 0.25, 0.5, 0.75];

/** Sixteen hexadecimal digits. Steps and seed are part of the configuration, workers and logging are not. */
export function runId(kind: 'train' | 'timing', config: TrainerConfig, probeTokens: number): string {
  const { model, data, train, backend } = config;
  const decisive =
    kind === 'train'
      ? { kind, config: configHash(config), eval_tokens: train.eval_tokens, probeTokens, MILESTONES }
      : { kind, model, length: data.length, batch: data.batch, balance: train.balance };
  return createHash('sha256')
    .update(JSON.stringify({ format: ROW_FORMAT, backend, ...decisive }))
    .digest('hex')
    .slice(0, 16);
}
