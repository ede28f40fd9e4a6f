export { type Agreement, agreement, type HostSelection } from './agreement.ts';
export { domainScore } from './domain-score.ts';
export {
  type GruOutput,
  type GruSequenceOptions,
  type GruWeights,
  gruDepth,
  gruGrid,
  gruSequence,
} from './gru.ts';
export {
  entropyLoss,
  LOSS_WEIGHTS,
  type LossTerms,
  type LossWeights,
  warmup,
  weightedLoss,
  zLoss,
} from './losses.ts';
export type { Recurrence, SpectraRouterOptions, SpectraRouterShape } from './options.ts';
export { costOfScores, OSR_DEFAULTS, type OsrCost, type OsrCostOptions, osrCost } from './osr-cost.ts';
export type { OsrWeights } from './osr-cost-op.ts';
export { SpectraRouterParameters } from './parameters.ts';
export {
  type GruSwitchRoutersOptions,
  gruSwitchRouters,
  type RecurrentRoutersOptions,
  RecurrentTopKRouter,
  type RmoeRoutersOptions,
  rmoeRouters,
} from './recurrent-top-k-router.ts';
export { type RouterContext, RouterRecurrence, type RouterRecurrenceShape } from './router-recurrence.ts';
export { variation } from './router-state.ts';
export { specialityLoss } from './speciality.ts';
export { SpectraRouter } from './spectra-router.ts';
export { type SpectraRoutersOptions, spectraRouters } from './spectra-routers.ts';
export { STATISTICS } from './statistics.ts';
export { tokenMean } from './token-mean.ts';
