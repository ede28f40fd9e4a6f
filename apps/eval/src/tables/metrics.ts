/** The numbers of a run that tables are made of, each defined once. */
import type { RunRow } from '../runs/row.ts';
import type { Pick } from './results.ts';
import type { Column } from './table.ts';

export interface TableMetric {
  readonly column: Column;
  readonly pick: Pick;
}

const routing = (row: RunRow) => row.evaluation?.causal.routing;
const trained = (row: RunRow) => row.evaluation?.training.routing;

export const LOSS: TableMetric = {
  column: {
    name: 'loss',
    title: 'Held-out nats per token under the causal rule, mean over domains',
    decimals: 4,
    better: 'less',
  },
  pick: row => row.evaluation?.causal.loss,
};
export const TRAINING_LOSS: Pick = row => row.evaluation?.training.loss;
export const PERPLEXITY: TableMetric = {
  column: { name: 'perplexity', title: 'Of the held-out loss', better: 'less' },
  pick: row => (row.evaluation === undefined ? null : Math.exp(row.evaluation.causal.loss)),
};
export const CV: TableMetric = {
  column: {
    name: 'CV',
    title: 'Coefficient of variation of the load under the causal rule, largest over layers',
    better: 'less',
  },
  pick: row => routing(row)?.overall.cv,
};
export const TRAINING_CV: TableMetric = {
  column: { name: 'CV, training rule', title: 'The same under the rule that trained', better: 'less' },
  pick: row => trained(row)?.overall.cv,
};
export const CV_FLOOR: TableMetric = {
  column: { name: 'floor', title: '√((E/k − 1)/N): what random choice alone would give' },
  pick: row => routing(row)?.layers[0]?.samplingFloor,
};
export const MAX_VIO: TableMetric = {
  column: {
    name: 'MaxVio',
    title: 'Largest load over the mean, minus 1, largest over layers',
    better: 'less',
  },
  pick: row => routing(row)?.overall.maxViolation,
};
export const GRAM: TableMetric = {
  column: {
    name: 'Gram',
    title: 'Gram orthogonality of the expert vectors, smallest over layers',
    better: 'more',
  },
  pick: row => routing(row)?.overall.gramOrthogonality,
};
export const CENTROID: TableMetric = {
  column: {
    name: 'centroid',
    title:
      'Orthogonality of the mean hidden states that experts serve, smallest over layers; exists for every router',
    better: 'more',
  },
  pick: row => routing(row)?.overall.centroidOrthogonality,
};
export const OVERLAP: TableMetric = {
  column: {
    name: 'overlap',
    title: 'Mean pairwise Jaccard of the token types experts serve, mean over layers',
    better: 'less',
  },
  pick: row => routing(row)?.overall.expertOverlap,
};
export const LOAD_ENTROPY: TableMetric = {
  column: { name: 'load entropy', title: 'Over log E, mean over layers', better: 'more' },
  pick: row => routing(row)?.overall.loadEntropy,
};
export const UNUSED: TableMetric = {
  column: { name: 'unused', title: 'Share of experts without a token, largest over layers', better: 'less' },
  pick: row => routing(row)?.overall.unusedRate,
};
export const DROPPED: TableMetric = {
  column: {
    name: 'dropped',
    title: 'Share of slots dropped under the training rule, largest over layers',
    better: 'less',
  },
  pick: row => trained(row)?.overall.droppedRate,
};
export const ROUTING_ENTROPY: TableMetric = {
  column: { name: 'routing entropy', title: 'H(P)/log E under the causal rule, mean over layers' },
  pick: row => routing(row)?.overall.routingEntropy,
};
export const AGREEMENT: TableMetric = {
  column: {
    name: 'agreement',
    title: 'Shared experts of the training rule and the decoding rule on the same tokens, over k',
  },
  pick: row => row.evaluation?.agreement,
};
export const NMI: TableMetric = {
  column: {
    name: 'NMI',
    title: 'Normalised mutual information of expert and domain, mean over layers',
    better: 'more',
  },
  pick: row => routing(row)?.overall.nmi,
};
export const SEQUENTIAL: TableMetric = {
  column: {
    name: 'sequential',
    title: 'Experts that a token shares with the one before, over k, mean over layers; k/E by chance',
  },
  pick: row => routing(row)?.overall.sequentialOverlap,
};
export const ROW_ERROR: TableMetric = {
  column: {
    name: 'row error',
    title: 'max |Σ_e P − 1| under the training rule, largest over batches and layers',
  },
  pick: row => row.evaluation?.row_error,
};
export const COLUMN_ERROR: TableMetric = {
  column: {
    name: 'column error',
    title: 'max |Σ_t P − N/E|·E/N under the training rule, likewise',
    better: 'less',
  },
  pick: row => row.evaluation?.column_error,
};
export const PARAMETERS: TableMetric = {
  column: { name: 'parameters, M', title: 'All, in millions', decimals: 2 },
  pick: row => (row.cost === undefined ? null : row.cost.parameters / 1e6),
};
export const ACTIVE_PARAMETERS: TableMetric = {
  column: { name: 'active, M', title: 'Parameters that a token meets, in millions', decimals: 2 },
  pick: row => (row.cost === undefined ? null : row.cost.active_parameters / 1e6),
};
export const ROUTER_PARAMETERS: TableMetric = {
  column: { name: 'router parameters, k', title: 'In thousands', decimals: 1 },
  pick: row => (row.cost === undefined ? null : row.cost.router_parameters / 1e3),
};
export const FLOPS: TableMetric = {
  column: { name: 'MFLOPs', title: 'Of one token’s forward pass', decimals: 3 },
  pick: row => (row.cost === undefined ? null : row.cost.flops / 1e6),
};
export const SPEED: TableMetric = {
  column: {
    name: 'tokens/s',
    title: 'Of training: its median step, as it was measured',
    decimals: 0,
    clock: true,
  },
  pick: row => row.training?.tokens_per_second,
};
export const domainPerplexity = (domain: string): TableMetric => ({
  column: { name: domain, title: `Perplexity of ${domain}, causal rule`, decimals: 2, better: 'less' },
  pick: row => {
    const found = row.evaluation?.causal.domains[domain];
    return found === undefined ? null : Math.exp(found.loss);
  },
});
