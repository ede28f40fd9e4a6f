export { expertMean } from './expert-mean.ts';
export type { ExpressionProjectorOptions, Orthogonalise } from './expression-projector.ts';
export { ExpressionProjector } from './expression-projector.ts';
export {
  gramMatrix,
  gramOrthogonality,
  gramOrthogonalityCeiling,
  gramOrthogonalityReference,
} from './gram-matrix.ts';
export { newtonSchulz, orthogonalLoss } from './newton-schulz.ts';
export { orthogonal, orthogonalFromRng, orthogonalValues } from './orthogonal.ts';
export type { OrthogonalityLoss } from './orthogonality-loss.ts';
export { orthogonalityLoss } from './orthogonality-loss.ts';
