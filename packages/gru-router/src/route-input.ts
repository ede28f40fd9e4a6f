/** What a router is given, checked alike for every backend and path: kernels go by addresses and do not look again. */
import type { RouteContext } from '@spectra/routing';
import { checkShape } from '@spectra/tensor';
import type { Tensor3D } from '@tensorflow/tfjs-core';

/** `SHAPE` where x is not [B,S,hidden], or what stands beside it has other rows, positions or state. */
export function checkRouteInput(
  x: Tensor3D,
  { mask, documentStart, below, cache }: RouteContext,
  { hidden, stateSize: G }: { readonly hidden: number; readonly stateSize: number },
): void {
  const where = 'SpectraRouter.route';
  checkShape(x.shape, [-1, -1, hidden], `${where} x`);
  const [B, S] = x.shape;
  for (const [name, tensor, shape] of [
    ['mask', mask, [B, S]],
    ['documentStart', documentStart, [B, S]],
    ['below', below, [B, S, G]],
    ['cache', cache, [B, G]],
  ] as const) {
    if (tensor !== undefined) checkShape(tensor.shape, shape, `${where} ${name}`);
  }
}
