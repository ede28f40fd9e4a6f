/** The named arrays that a router carries from step to step. */
import { SpectraError } from '@spectra/tensor';
import type { RouterState } from './router.ts';

/**
 * Throws `CHECKPOINT_MISMATCH` unless `state` has exactly the entries of `shapes`, each float32 of its shape.
 *
 * @param where the router's kind or name, for the message
 */
export function checkRouterState(
  state: RouterState,
  shapes: Readonly<Record<string, readonly number[]>>,
  where: string,
): void {
  const fail = (message: string): never => {
    throw new SpectraError('CHECKPOINT_MISMATCH', { message, where });
  };
  for (const name of Object.keys(state)) {
    if (!(name in shapes)) fail(`the router state has an entry "${name}" that this router does not know.`);
  }
  for (const [name, shape] of Object.entries(shapes)) {
    const found = state[name];
    if (found === undefined) {
      fail(`the router state lacks "${name}".`);
      return;
    }
    const size = shape.reduce((a, b) => a * b, 1);
    const fits = found.shape.length === shape.length && shape.every((n, i) => n === found.shape[i]);
    if (!fits || found.data.length !== size || !(found.data instanceof Float32Array)) {
      fail(
        `the router state's "${name}" must be float32 [${shape.join(', ')}], got [${found.shape.join(', ')}].`,
      );
    }
  }
}
