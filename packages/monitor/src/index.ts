export { fromRouting, type RoutingObservation } from './from-routing.ts';
export {
  type DomainReport,
  type LayerReport,
  type OverallReport,
  type RoutingReport,
  reportScalars,
} from './layer-report.ts';
export type { Assignment } from './metrics/assignment.ts';
export { centroidOrthogonality, type Hidden } from './metrics/centroid.ts';
export {
  type Consistency,
  checkpointConsistency,
  type RuleAgreement,
  ruleAgreement,
} from './metrics/consistency.ts';
export { expertDiversity } from './metrics/diversity.ts';
export { countDomains, type DomainMetrics, domainMetrics } from './metrics/domain.ts';
export { type GramMetrics, gramOrthogonality } from './metrics/gram.ts';
export { kendallTau } from './metrics/kendall.ts';
export {
  ENGLISH_FUNCTION_WORDS,
  type Keyword,
  KeywordAccumulator,
  type KeywordOptions,
} from './metrics/keywords.ts';
export { countLoad, type LoadMetrics, loadMetrics, samplingFloor } from './metrics/load.ts';
export { countTypes, expertOverlap, overlapPairs, type TypeCounts } from './metrics/overlap.ts';
export { documentIds, type SequentialOptions, sequentialOverlap } from './metrics/sequential.ts';
export { confidence, routingEntropy, type SharpnessOptions } from './metrics/sharpness.ts';
export { silhouette, silhouetteSamples } from './metrics/silhouette.ts';
export { tfidf } from './metrics/tfidf.ts';
export { decodeBytes, forEachWord, joinTokens, type TokenizedText } from './metrics/words.ts';
export { type MonitorOptions, type Observation, RoutingMonitor } from './routing-monitor.ts';
