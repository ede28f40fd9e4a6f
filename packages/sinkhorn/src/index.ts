export { adaptiveEpsilon } from './adaptive-epsilon.ts';
export type { SinkhornReport } from './check-sinkhorn.ts';
export { checkSinkhorn } from './check-sinkhorn.ts';
export type { SinkhornGradient, SinkhornOptions, SinkhornResult } from './sinkhorn.ts';
export { CONVERGED, sinkhorn } from './sinkhorn.ts';
export { warmStart } from './warm-start.ts';
