/** Value and gradients of a loss with respect to named parameters. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { engine, tidy } from '@tensorflow/tfjs-core';
import { SpectraError } from '../errors.ts';
import type { Parameter } from '../parameter.ts';
import { reverse } from './reverse.ts';
import { releaseTape } from './tape.ts';

export interface ValueAndGrads {
  readonly value: Scalar;
  /** By parameter name. A parameter that is frozen or that the value does not depend on has no entry. */
  readonly grads: Map<string, Tensor>;
}

/**
 * Computes the scalar loss f() and its gradients. Both belong to the caller (inside a `tidy`, to the tidy). If f
 * throws, what its forward pass had saved is released and the error passed on.
 *
 * @throws SHAPE where f returns no scalar; VALUE where two different parameters share a name.
 */
export function valueAndGrads(f: () => Scalar, parameters: readonly Parameter[]): ValueAndGrads {
  const wanted = new Map<string, Parameter>();
  for (const parameter of parameters) {
    if (!parameter.trainable) continue;
    const same = wanted.get(parameter.name);
    if (same !== undefined && same !== parameter) {
      throw new SpectraError('VALUE', {
        message: `two parameters are named ${parameter.name}.`,
        where: 'valueAndGrads',
      });
    }
    wanted.set(parameter.name, parameter);
  }
  const scalar = (): Scalar => {
    const value = f();
    if (value.rank !== 0) {
      throw new SpectraError('SHAPE', {
        message: `the loss must be a scalar, got shape [${value.shape.join(', ')}].`,
        where: 'valueAndGrads',
      });
    }
    return value;
  };
  const names = [...wanted.keys()];
  if (names.length === 0) return { value: engine().tidy(scalar), grads: new Map() };
  const variables = [...wanted.values()].map(parameter => parameter.variable as Tensor);
  // the tidy: a backward pass that throws leaves the value behind
  const { value, grads } = tidy(() =>
    releaseTape(() => reverse(scalar, variables) as { value: Tensor; grads: Tensor[] }),
  );
  const found = names.map((name, i) => [name, grads[i]] as const);
  return {
    value: value as Scalar,
    grads: new Map(found.filter((entry): entry is [string, Tensor] => entry[1] != null)),
  };
}
