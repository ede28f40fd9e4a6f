/** Turns of the event loop that `work` lets in: whether a signal would be heard meanwhile. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let pending: NodeJS.Immediate;
  const count = (): void => {
    turns++;
    pending = setImmediate(count);
  };
  pending = setImmediate(count);
  await work();
  clearImmediate(pending);
  return turns;
}
