/**
 * Finds a key that an object of a JSON text has twice. `JSON.parse` keeps the last silently, so two readers could
 * disagree on what a file holds.
 */

const QUOTE = 34;
const COLON = 58;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** The first key that an object of a JSON text repeats; `parsed` is what `JSON.parse` made of the text. */
export function findDuplicateKey(json: string, parsed: unknown): string | undefined {
  // a repeated key is one fewer in the result; counting is cheap, also for a hundred thousand tensors
  return countColons(json) === countKeys(parsed) ? undefined : searchDuplicateKey(json);
}

/** Colons outside of strings: one for every key. */
function countColons(json: string): number {
  let count = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i);
    if (c === QUOTE) i = stringEnd(json, i);
    else if (c === COLON) count++;
  }
  return count;
}

function countKeys(value: unknown): number {
  let count = 0;
  const open = [value]; // not recursive: a stranger decides how deep it goes
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null) continue;
    const record = next as Record<string, unknown>;
    for (const key in record) {
      if (!Array.isArray(next)) count++;
      const child = record[key];
      if (typeof child === 'object' && child !== null) open.push(child);
    }
  }
  return count;
}

function searchDuplicateKey(json: string): string | undefined {
  /** The keys seen so far of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case QUOTE: {
        const end = stringEnd(json, i);
        const keys = open.at(-1);
        if (expectsKey && keys) {
          const key = JSON.parse(json.slice(i, end + 1)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
          expectsKey = false;
        }
        i = end;
        break;
      }
      case OPEN_OBJECT:
        open.push(new Set());
        expectsKey = true;
        break;
      case OPEN_LIST:
        open.push(null);
        expectsKey = false;
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        open.pop();
        break;
      case COMMA:
        expectsKey = open.at(-1) !== null;
    }
  }
  return undefined;
}

/** The closing quote of the string that opens at `start`. */
function stringEnd(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  for (;;) {
    let slashes = 0;
    while (json.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    end = json.indexOf('"', end + 1);
  }
}
