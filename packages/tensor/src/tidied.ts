/**
 * `tf.tidy` for results whose type tfjs cannot name. Decoding one token ends ten such scopes: tfjs, which asks every object
 * in a result whether it looks like a tensor, would spend an eighth of the token's time on that.
 */
import { engine, type Tensor } from '@tensorflow/tfjs-core';

/** The part of the engine that hands a result to the scope around it, as its own `endScope` does. */
interface Tracking {
  track(tensor: Tensor): void;
}

/**
 * Runs `f` and disposes every tensor it made, but for those anywhere in what it returns: a tree of plain objects, arrays and
 * tensors. They belong to the caller, or to the scope that the call is in.
 */
export function tidied<T>(f: () => T): T {
  const tfjs = engine();
  tfjs.startScope();
  const scope = tfjs.state.activeScope.id;
  const mine: Tensor[] = [];
  try {
    const result = f();
    keepOf(scope, result, mine);
    return result;
  } finally {
    tfjs.endScope();
    for (const tensor of mine) {
      tensor.kept = false;
      (tfjs as unknown as Tracking).track(tensor);
    }
  }
}

/** Marks each tensor of `value` that the scope made as kept, once. */
function keepOf(scope: number, value: unknown, into: Tensor[]): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  if ('dataId' in value) {
    const tensor = value as Tensor;
    if (tensor.kept || tensor.scopeId !== scope) return;
    tensor.kept = true;
    into.push(tensor);
    return;
  }
  for (const part of Array.isArray(value) ? value : Object.values(value)) keepOf(scope, part, into);
}
