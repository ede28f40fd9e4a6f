export { type Agreement, agreement, type HostSelection } from './agreement.ts';
export { domainScore } from './domain-score.ts';
export {
  type GruOutput,
  gruDepth,
  gruGrid,
  gruSequence,
  type GruSequenceOptions,
  type GruWeights,
} from './gru.ts';
export { entropyLoss, LOSS_WEIGHTS, type LossTerms, type LossWeights, warmup, weightedLoss, zLoss } from './losses.ts';
export type { Recurrence, SpectraRouterOptions, SpectraRouterShape } from './options.ts';
export { costOfScores, OSR_DEFAULTS, type OsrCost, osrCost, type OsrCostOptions } from './osr-cost.ts';
export type { OsrWeights } from './osr-cost-op.ts';
export { SpectraRouterParameters } from './parameters.ts';
export { specialityLoss } from './speciality.ts';
export { SpectraRouter } from './spectra-router.ts';
export { spectraRouters, type SpectraRoutersOptions } from './spectra-routers.ts';
export { STATISTICS } from './statistics.ts';
export { tokenMean } from './token-mean.ts';
