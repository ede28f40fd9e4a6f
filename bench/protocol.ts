/**
 * What the benchmark asks of a side (a program that runs a case in its own way: ours, or a peer). A side is a child
 * process; requests come as JSON lines on its standard input, replies go out as JSON lines on descriptor 3, so that what
 * a library prints disturbs nothing.
 */
import type { ArrayEntry, ArrayFile } from './arrays.ts';

/** Sizes and choices of a case, by name. */
export type Params = Readonly<Record<string, number | string | boolean>>;

export type Request =
  /** Sets a case up; where `outputs` names a file, runs it and writes what it computes there. */
  | {
      readonly op: 'prepare';
      readonly kind: string;
      readonly params: Params;
      readonly inputs: ArrayFile;
      readonly outputs: string | null;
    }
  /** Runs the prepared case `repeat` times. */
  | { readonly op: 'run'; readonly repeat: number }
  /** Frees what the prepared case holds. */
  | { readonly op: 'release' }
  /** Gives memory that nothing uses back. */
  | { readonly op: 'collect' };

export type Reply =
  | { readonly outputs: readonly ArrayEntry[]; readonly version: string | null }
  /** The side cannot do this case, and why. */
  | { readonly unsupported: string }
  /** Milliseconds per run, measured in the side. */
  | { readonly ms: number }
  | { readonly done: true }
  | { readonly error: string };
