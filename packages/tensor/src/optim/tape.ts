/** tfjs's tape: the engine state that gradients need and that its own functions do not let nest. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { engine } from '@tensorflow/tfjs-core';

/** One recorded operation. tfjs calls `gradient` as a method of a copy whose `inputs` it cut to the needed ones. */
export interface TapeNode {
  readonly kernelName: string;
  inputs: Record<string, Tensor>;
  outputs: Tensor[];
  saved: Tensor[];
  /** Gives a function per input name; an element of `dys` is null where nothing used that output. */
  gradient: (this: TapeNode, dys: (Tensor | null)[]) => Record<string, () => Tensor>;
}

interface TapeState {
  activeTape: TapeNode[] | null;
  gradientDepth: number;
  kernelDepth: number;
  nextTensorId: number;
}

function state(): TapeState {
  return engine().state as unknown as TapeState;
}

/** Whether operations are being recorded. */
export function taping(): boolean {
  return state().gradientDepth > 0 && state().kernelDepth === 0;
}

/** Whether a gradient is being recorded, even if this operation is not. */
export function recording(): boolean {
  return state().gradientDepth > 0;
}

/** Every tensor made from now on has at least this id. */
export function tensorsMade(): number {
  return state().nextTensorId;
}

/** Records f() on a tape of its own and hands both to `use`; the tape ends with it. Not within another recording. */
export function record<T>(f: () => Tensor, use: (value: Tensor, tape: readonly TapeNode[]) => T): T {
  const tape: TapeNode[] = [];
  state().activeTape = tape;
  state().gradientDepth++;
  let value: Tensor;
  try {
    value = engine().tidy('forward', f);
  } finally {
    state().gradientDepth--;
  }
  const used = use(value, tape);
  state().activeTape = null;
  return used;
}

/** The operation recorded last. */
export function lastTapeNode(): TapeNode | undefined {
  return state().activeTape?.at(-1);
}

/** Runs f unrecorded: its result is a constant to the gradient. */
export function noGrad<T>(f: () => T): T {
  state().kernelDepth++;
  try {
    return f();
  } finally {
    state().kernelDepth--;
  }
}

/** A tensor of the same data that no gradient flows through; the caller owns it. */
export function stopGradient<T extends Tensor>(x: T): T {
  return noGrad(() => x.clone());
}

/**
 * Runs a computation that may start a tape of its own inside the backward pass of another: tfjs would throw the
 * outer tape away. If it throws, what it had saved on its tape is released too, which tfjs forgets.
 */
export function releaseTape<T>(f: () => T): T {
  const outer = state().activeTape;
  const nested = state().gradientDepth > 0;
  const from = outer?.length ?? 0;
  try {
    return f();
  } catch (error) {
    const tape = state().activeTape;
    // on a tape that goes on, only what f recorded
    const left = tape === outer ? tape?.splice(from) : tape;
    for (const node of left ?? []) for (const tensor of node.saved) tensor.dispose();
    throw error;
  } finally {
    if (!nested) state().activeTape = outer;
  }
}
