export * from './convert-model.ts';
export { type DefaultRouter, defaultRouter } from './default-router.ts';
export type { Calibration, DistilOptions, LayerAgreement } from './distil.ts';
export { meanGateSum } from './gate-sum.ts';
export type { RouterStart } from './new-routers.ts';
export type { ConversionOptions, SharedStart, UpcycleMode, UpcycleOptions } from './options.ts';
export type {
  Content,
  DroppedUnits,
  MatrixPart,
  PlannedTensor,
  PlanTotals,
  TensorRole,
  UpcyclePlan,
} from './plan.ts';
export { tensorBytes } from './plan.ts';
export { planConversion } from './plan-conversion.ts';
export { planExpansion } from './plan-expansion.ts';
export { planReplacement, type ReplacementOptions } from './plan-replacement.ts';
export { planUpcycle } from './plan-upcycle.ts';
export { plannedSpec } from './streams.ts';
