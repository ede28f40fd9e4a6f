/**
 * Finds a key that an object of a JSON text has twice. `JSON.parse` keeps the last silently, so two readers could
 * disagree on what a file holds.
 */

/** The first repeated key of any object in valid JSON; undefined if there is none. */
export function findDuplicateKey(json: string): string | undefined {
  /** The keys seen so far of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === '"') {
      const end = stringEnd(json, i);
      const keys = open.at(-1);
      if (expectsKey && keys) {
        const key = JSON.parse(json.slice(i, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
        expectsKey = false;
      }
      i = end - 1;
    } else if (c === '{') {
      open.push(new Set());
      expectsKey = true;
    } else if (c === '[') {
      open.push(null);
      expectsKey = false;
    } else if (c === '}' || c === ']') {
      open.pop();
    } else if (c === ',') {
      expectsKey = open.at(-1) !== null;
    }
  }
  return undefined;
}

/** One past the closing quote of the string that opens at `start`. */
function stringEnd(json: string, start: number): number {
  let i = start + 1;
  while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
  return i + 1;
}
