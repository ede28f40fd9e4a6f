/**
 * Reverse-mode differentiation over tfjs's tape. The same gradients, in the same order of additions, as tfjs's own
 * `engine().gradients`, which keeps every saved tensor and every cotangent until the end: here each is given back as
 * soon as it has been used, so that the backward pass lives in the memory that it frees.
 */
import { add, engine, onesLike, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { checkShape } from '../errors.ts';
import { record, recording, type TapeNode, tensorsMade } from './tape.ts';

export type ValueAndCotangents = {
  value: Tensor;
  /** One per x; nothing where the value does not depend on it. */
  grads: (Tensor | undefined)[];
};

/** f() and its gradients with respect to `xs`; call it inside a `tidy`, which owns what it returns. */
export function reverse(f: () => Tensor, xs: readonly Tensor[]): ValueAndCotangents {
  // what an outer gradient is recording, its own backward pass will need
  if (recording()) return engine().gradients(f, [...xs], undefined, true);
  return record(f, (value, tape) =>
    tidy(() => {
      const path = pathBetween(xs, tape, value);
      for (const node of tape) if (!path.has(node)) release(node);
      const wanted = new Set(xs.map(x => x.id));
      const cotangents = new Map([[value.id, onesLike(value)]]);
      for (const node of tape.toReversed()) {
        const used = path.get(node);
        if (used !== undefined) pass({ ...node, inputs: used }, cotangents, wanted);
        release(node);
      }
      return { value, grads: xs.map(x => cotangents.get(x.id)) };
    }),
  );
}

function release(node: TapeNode): void {
  for (const tensor of node.saved) tensor.dispose();
}

/** The nodes that lead from an x to the value, each with those of its inputs that come from an x. */
function pathBetween(
  xs: readonly Tensor[],
  tape: readonly TapeNode[],
  value: Tensor,
): Map<TapeNode, Record<string, Tensor>> {
  const fromX = new Set(xs.map(x => x.id));
  for (const { inputs, outputs } of tape) {
    if (Object.values(inputs).some(input => fromX.has(input.id))) for (const { id } of outputs) fromX.add(id);
  }
  const toValue = new Set([value.id]);
  const path = new Map<TapeNode, Record<string, Tensor>>();
  for (const node of tape.toReversed()) {
    if (!node.outputs.some(output => toValue.has(output.id))) continue;
    const used = Object.entries(node.inputs).filter(([, input]) => fromX.has(input.id));
    for (const [, input] of used) toValue.add(input.id);
    if (used.length > 0) path.set(node, Object.fromEntries(used));
  }
  return path;
}

/** Takes the cotangents of a node's outputs out of the map and adds those of its inputs. */
function pass(node: TapeNode, cotangents: Map<number, Tensor>, wanted: ReadonlySet<number>): void {
  const dys = node.outputs.map(({ id }) => cotangents.get(id) ?? null);
  for (const { id } of node.outputs) if (!wanted.has(id)) cotangents.delete(id);
  const before = tensorsMade();
  const dxs = tidy(() => {
    const gradients = node.gradient(dys);
    return Object.keys(node.inputs).map(name => gradients[name]!());
  });
  const taken = new Set<Tensor>();
  for (const [i, input] of Object.values(node.inputs).entries()) {
    const found = dxs[i]!;
    checkShape(found.shape, input.shape, `a gradient of ${node.kernelName}`);
    // a tensor that was there before, or that serves two inputs, is somebody else's
    const dx = found.id < before || taken.has(found) ? found.clone() : found;
    taken.add(dx);
    const sum = cotangents.get(input.id);
    cotangents.set(input.id, sum === undefined ? dx : add(sum, dx));
    if (sum !== undefined) for (const part of [sum, dx]) part.dispose();
  }
  for (const [i, { id }] of node.outputs.entries()) if (!wanted.has(id)) dys[i]?.dispose();
}
