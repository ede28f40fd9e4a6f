/**
 * Lets signals and messages in between two long computations: reading a tensor of wasm or cpu back does not, as its data is
 * there at once.
 */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
