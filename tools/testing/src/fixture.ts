/** Golden data: `<topic>.json` (cases and their facts) beside `<topic>.safetensors` (arrays `<case>.<name>`). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';

export interface GoldenArray {
  readonly dtype: 'F64' | 'F32' | 'I32' | 'U8';
  readonly shape: readonly number[];
  readonly data: Float64Array | Float32Array | Int32Array | Uint8Array;
}

/** The facts of one case; which of the open-ended ones exist depends on the topic. */
export interface FixtureCase {
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly scalars: Readonly<Record<string, number | null>>;
  readonly float32_max_abs_error: Readonly<Record<string, number | null>>;
  readonly [fact: string]: JsonValue | undefined;
}
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface Fixture {
  readonly topic: string;
  /** Every case by name, in file order: loop over these, another folder may hold others. */
  readonly cases: Readonly<Record<string, FixtureCase>>;
  array(name: string): GoldenArray;
  has(name: string): boolean;
  /** Full names that start with `prefix`. */
  names(prefix?: string): string[];
  /** float32 for F32 and F64, int32 for I32, float32 0/1 for U8. The caller owns it. */
  tensor(name: string): tf.Tensor;
  /** The error a plain float32 run of the same formulas makes; 0 where none was measured. */
  error(caseName: string, name: string): number;
}

/** `SPECTRA_FIXTURES`, else `fixtures/algorithm` at the workspace's root. */
export function fixtureFolder(): string {
  return process.env.SPECTRA_FIXTURES ?? join(workspaceRoot(), 'fixtures', 'algorithm');
}

/** The folder that holds pnpm-workspace.yaml. */
export function workspaceRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'pnpm-workspace.yaml'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no pnpm-workspace.yaml above the testing package.');
    folder = parent;
  }
  return folder;
}

const opened = new Map<string, Fixture>();

/** Opens `<topic>.json` and `<topic>.safetensors` of a folder once per process. */
export function fixture(topic: string, folder: string = fixtureFolder()): Fixture {
  const path = join(folder, topic);
  const found = opened.get(path);
  if (found !== undefined) return found;
  const made = openFixture(topic, path);
  opened.set(path, made);
  return made;
}

function openFixture(topic: string, path: string): Fixture {
  const arrays = readArrays(`${path}.safetensors`);
  const facts = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as {
    cases: Record<string, Partial<FixtureCase>>;
  };
  const cases = Object.fromEntries(
    Object.entries(facts.cases).map(([name, found]) => [
      name,
      { params: {}, scalars: {}, float32_max_abs_error: {}, ...found } as FixtureCase,
    ]),
  );
  const array = (name: string): GoldenArray => {
    const found = arrays.get(name);
    if (found === undefined) throw new Error(`${path}.safetensors has no array "${name}".`);
    return found;
  };
  return {
    topic,
    cases,
    array,
    has: name => arrays.has(name),
    names: (prefix = '') => [...arrays.keys()].filter(name => name.startsWith(prefix)),
    tensor: name => {
      const { data, shape, dtype } = array(name);
      return dtype === 'I32'
        ? tf.tensor(data as Int32Array, [...shape], 'int32')
        : tf.tensor(Float32Array.from(data), [...shape], 'float32');
    },
    error: (caseName, name) => cases[caseName]?.float32_max_abs_error[name] ?? 0,
  };
}

const ARRAYS = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

interface HeaderEntry {
  readonly dtype: GoldenArray['dtype'];
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** Reads the whole file; deliberately apart from `@spectra/checkpoint`, whose own tests use fixtures. */
function readArrays(file: string): Map<string, GoldenArray> {
  const bytes = readFileSync(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, HeaderEntry>;
  const arrays = new Map<string, GoldenArray>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [from, to] = entry.data_offsets.map(offset => 8 + headerLength + offset) as [number, number];
    const copy = new Uint8Array(bytes.subarray(from, to)).buffer; // aligned
    arrays.set(name, { dtype: entry.dtype, shape: entry.shape, data: new ARRAYS[entry.dtype](copy) });
  }
  return arrays;
}
