/** For commands that look at a hundred thousand tensors, each for a moment. */
import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8 from growing its young generation, as it does when much is allocated at once, and has it collect the old one
 * whenever it has grown by a fifth: a third less memory for the headers of a trillion-parameter model, and of what is left a
 * fifth. Call before the work begins.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=20');
}
