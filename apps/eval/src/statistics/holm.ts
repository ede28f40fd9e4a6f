/** Holm's step-down correction (1979): the chance of any false finding in a family stays at the level. */

/** Corrected p in the order given; a missing one is not part of the family and stays missing. */
export function holm(p: readonly (number | undefined)[]): (number | undefined)[] {
  const present = p.flatMap((value, i) => (value === undefined ? [] : [{ value, i }]));
  const sorted = present.sort((a, b) => a.value - b.value);
  const corrected = new Array<number | undefined>(p.length).fill(undefined);
  let largest = 0;
  sorted.forEach(({ value, i }, rank) => {
    largest = Math.max(largest, Math.min(1, value * (sorted.length - rank)));
    corrected[i] = largest;
  });
  return corrected;
}
