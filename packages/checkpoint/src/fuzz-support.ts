/** Mutated model files for the tests, and what must hold of each: a consistent view, or an error with a code. */
import { ERROR_CODES, SpectraError } from '@spectra/tensor';
import { bufferSource } from './byte-source.ts';
import { DTYPES, sizeOf } from './dtypes.ts';
import { type ModelFiles, openModelFiles } from './model-files.ts';
import { type ModelStore, storedParts } from './model-store.ts';
import { safetensorsBytes, type TensorSpec } from './safetensors-writer.ts';

/** A small seeded generator (mulberry32): numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A model of two shards with plain, FP8 and MXFP4 tensors: file name → bytes. */
export async function healthyModel(): Promise<Map<string, Uint8Array>> {
  const spec = (name: string, dtype: TensorSpec['dtype'], shape: number[]): TensorSpec => ({
    name,
    dtype,
    shape,
    data: () => Float32Array.from({ length: sizeOf(shape) }, (_, i) => i % 2),
  });
  const shards = [
    [
      spec('a.weight', 'F8_E4M3', [130, 3]),
      spec('e_blocks', 'U8', [1, 2, 2, 16]),
      spec('plain', 'BF16', [2, 3]),
    ],
    [
      spec('a.weight_scale_inv', 'F32', [2, 1]),
      spec('e_scales', 'U8', [1, 2, 2]),
      spec('ids', 'I64', [2]),
      spec('half', 'F16', []),
    ],
  ];
  const files = new Map<string, Uint8Array>();
  const map: Record<string, string> = {};
  for (const [i, specs] of shards.entries()) {
    const file = `model-0000${i + 1}-of-00002.safetensors`;
    files.set(file, await safetensorsBytes(specs, { metadata: { format: 'pt' } }));
    for (const { name } of specs) map[name] = file;
  }
  const index = { metadata: { total_size: 1 }, weight_map: map };
  files.set('model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index)));
  const config = { quantization_config: { weight_block_size: [128, 128] } };
  files.set('config.json', new TextEncoder().encode(JSON.stringify(config)));
  return files;
}

/** What a hostile writer would put where a number or a word stands. */
const WORDS = [
  '0',
  '-1',
  '1.5',
  '1e308',
  '9007199254740993',
  '18446744073709551615',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '[[[[[[]]]]]]',
  '"../model.safetensors"',
  '"F32"',
  '"F8_E8M0"',
  '"U8"',
  '"__proto__"',
  '"\\u0000"',
  '"a.weight"',
  '4294967296',
] as const;

/** Changes one file of a model a few times, as bytes or as text. */
export function mutate(
  healthy: ReadonlyMap<string, Uint8Array>,
  random: () => number,
): Map<string, Uint8Array> {
  const files = new Map(healthy);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const rounds = 1 + Math.floor(random() * 3);
  for (let round = 0; round < rounds; round++) {
    const name = pick([...files.keys()]);
    const bytes = files.get(name)!;
    const at = Math.floor(random() * bytes.length);
    switch (Math.floor(random() * 12)) {
      case 0: // a byte
        files.set(name, Uint8Array.from(bytes).fill(Math.floor(random() * 256), at, at + 1));
        break;
      case 1: // the end is missing
        files.set(name, bytes.slice(0, at));
        break;
      case 2: // a part twice
        files.set(name, joined(bytes.subarray(0, at), bytes.subarray(Math.floor(random() * at))));
        break;
      case 3: // a part is missing
        files.set(name, joined(bytes.subarray(0, at), bytes.subarray(at + Math.floor(random() * 40))));
        break;
      case 4: // the announced length
        files.set(
          name,
          withLength(bytes, pick([0n, 1n, 7n, 2n ** 63n, 99_999_999n, BigInt(bytes.length), 300n])),
        );
        break;
      case 5: // the file
        if (random() < 0.2) files.delete(name);
        break;
      case 6: // values: NaN as a float, an exponent and an 8-bit code
        files.set(name, Uint8Array.from(bytes).fill(255, Math.max(at, bytes.length - 40), at + 8));
        break;
      case 7:
      case 8:
        files.set(
          name,
          withWord(name, bytes, () => pick(WORDS), random),
        );
        break;
      default: // a name or dtype of another tensor, a number of another place
        files.set(
          name,
          withWord(name, bytes, alike => pick(alike), random),
        );
    }
  }
  return files;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function withLength(bytes: Uint8Array, length: bigint): Uint8Array {
  if (bytes.length < 8) return bytes;
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setBigUint64(0, length, true);
  return copy;
}

const TOKEN = /-?\d+|"[^"]*"|\[[^\]]*\]/g;

/** Replaces a number, a string or a list in the JSON by a word, and keeps the announced length right. */
function withWord(
  name: string,
  bytes: Uint8Array,
  word: (alike: readonly string[]) => string,
  random: () => number,
): Uint8Array {
  const binary = name.endsWith('.safetensors');
  const start = binary ? 8 : 0;
  if (bytes.length < start) return bytes;
  const announced = binary
    ? Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
    : bytes.length;
  const end = Math.min(bytes.length, start + announced);
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, end));
  const places = [...text.matchAll(TOKEN)];
  if (places.length === 0) return bytes;
  const { index, 0: old } = places[Math.floor(random() * places.length)]!;
  const alike = places.map(([token]) => token).filter(token => token[0] === old[0]);
  const changed = text.slice(0, index) + word(alike) + text.slice(index + old.length);
  const json = Uint8Array.from(changed, c => c.charCodeAt(0));
  const all = joined(joined(bytes.subarray(0, start), json), bytes.subarray(end));
  return binary ? withLength(all, BigInt(json.length)) : all;
}

function filesOf(files: ReadonlyMap<string, Uint8Array>): ModelFiles {
  return {
    name: 'memory',
    async text(file) {
      const bytes = files.get(file);
      return bytes && new TextDecoder().decode(bytes);
    },
    async source(file) {
      const bytes = files.get(file);
      return bytes && bufferSource(bytes, file);
    },
  };
}

/** The longest that opening and reading a file of a few hundred bytes may take. */
const MAX_MS = 2000;

/** Opens and reads a model: `read`, or the code of the error. Throws if neither is the case, or it took too long. */
export async function outcome(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const started = performance.now();
  let result = 'read';
  try {
    const store = await openModelFiles(filesOf(files));
    try {
      await checkConsistent(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof SpectraError) || !Object.hasOwn(ERROR_CODES, error.code)) throw error;
    if (error.message.length > 2000)
      throw new Error(`a message of ${error.message.length} characters`, { cause: error });
    result = error.code;
  }
  const took = performance.now() - started;
  if (took > MAX_MS) throw new Error(`it took ${took} ms (${result})`);
  return result;
}

async function checkConsistent(store: ModelStore): Promise<void> {
  const names = store.names();
  if (new Set(names).size !== names.length) throw new Error('a name comes twice');
  const parts = new Set<string>();
  for (const name of names) {
    for (const { name: part, dtype, shape, begin, end } of storedParts(store.storage(name))) {
      if (parts.has(part)) throw new Error(`${part} belongs to two tensors`);
      parts.add(part);
      if (end - begin !== sizeOf(shape) * DTYPES[dtype].bytes) throw new Error(`${part} has another size`);
    }
    const { shape } = store.entry(name);
    const { data } = await store.read(name);
    if (data.length !== sizeOf(shape)) throw new Error(`${name} reads as ${data.length} elements`);
  }
  if (parts.size !== store.stored.names().length) throw new Error('a stored tensor belongs to none');
}
