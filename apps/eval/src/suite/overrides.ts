/** Dotted keys put over a configuration, before it is validated. */

type Mapping = Record<string, unknown>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy of `base` with the overrides in their order; null removes a key. */
export function withOverrides(base: Readonly<Mapping>, ...layers: readonly Readonly<Mapping>[]): Mapping {
  const root = structuredClone(base) as Mapping;
  for (const layer of layers) {
    for (const [path, value] of Object.entries(layer)) put(root, path.split('.'), value);
  }
  return root;
}

function put(root: Mapping, keys: readonly string[], value: unknown): void {
  let node = root;
  for (const key of keys.slice(0, -1)) {
    const below = node[key];
    if (!isMapping(below)) node[key] = {};
    node = node[key] as Mapping;
  }
  const last = keys.at(-1)!;
  if (value === null) delete node[last];
  else node[last] = structuredClone(value);
}
