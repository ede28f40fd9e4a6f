import { SpectraError } from '@spectra/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bufferSource } from './byte-source.ts';
import { findDuplicateKey } from './duplicate-keys.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { safetensorsBytes } from './safetensors-writer.ts';

function file(header: string | object, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  return bytes;
}

async function errorOf(bytes: Uint8Array): Promise<string> {
  try {
    await openSafetensors(bufferSource(bytes, 'x.safetensors'));
  } catch (error) {
    expect(error).toBeInstanceOf(SpectraError);
    expect((error as SpectraError).code).toBe('CHECKPOINT_BROKEN');
    expect((error as SpectraError).where).toContain('x.safetensors');
    return (error as SpectraError).message;
  }
  return 'accepted';
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('a header', () => {
  it.each([
    ['no bytes', new Uint8Array(3), 'no header'],
    ['a length beyond the file', file('{}', 0).subarray(0, 9), 'truncated'],
    ['a huge length', new Uint8Array(16).fill(255), 'not a safetensors file'],
    ['text', file('hello, wor', 0), 'not JSON'],
    ['bad UTF-8', file('{"\u0000"}', 0).fill(0xff, 10, 11), 'not JSON'],
    ['a list', file('[]', 0), 'not a JSON object'],
    ['leading white space', file(' {}', 0), 'not a JSON object'],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }, 0), 'not a map of strings'],
    [
      'an unknown dtype',
      file({ a: { dtype: 'F31', shape: [1], data_offsets: [0, 4] } }, 4),
      'unknown dtype "F31"',
    ],
    [
      'a dtype of the prototype',
      file({ a: { dtype: 'toString', shape: [], data_offsets: [0, 4] } }, 4),
      'unknown',
    ],
    ['a negative size', file({ a: f32(0, 4, [-1]) }, 4), 'bad shape'],
    ['a fractional size', file({ a: f32(0, 4, [0.5]) }, 4), 'bad shape'],
    ['a size that overflows', file({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'takes'],
    [
      'reversed offsets',
      file({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }, 4),
      'bad data_offsets',
    ],
    ['a range of the wrong length', file({ a: f32(0, 8, [1]) }, 8), 'takes 4 bytes, its range has 8'],
    ['a range past the end', file({ a: f32(0, 8) }, 4), 'out of range or truncated'],
    ['overlapping ranges', file({ a: f32(0, 8), b: f32(4, 12) }, 12), 'overlap those of "a"'],
    ['a gap', file({ a: f32(0, 4), b: f32(8, 12) }, 12), 'belong to no tensor'],
    ['trailing bytes', file({ a: f32(0, 4) }, 5), 'after the last tensor'],
    [
      'a repeated name',
      file(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}',
        1,
      ),
      'names "a" twice',
    ],
    [
      'a repeated field',
      file('{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      'names "dtype" twice',
    ],
  ])('with %s is refused', async (_, bytes, message) => {
    expect(await errorOf(bytes)).toContain(message);
  });

  it('may be nested deeply or have long names: the message stays short', async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const nested = await errorOf(file(`{"a":{"dtype":"F32","shape":${deep},"data_offsets":[0,0]}}`, 0));
    expect(nested).toContain('bad shape');
    const long = await errorOf(file({ ['x'.repeat(1e6)]: { dtype: 'y'.repeat(1e6) } }, 0));
    expect(long.length).toBeLessThan(1000);
  });

  it('names file and tensor', async () => {
    const message = await errorOf(file({ 'layers.0.w': f32(0, 8) }, 4));
    expect(message).toContain('(at x.safetensors, tensor "layers.0.w")');
  });

  it('may be empty, padded, and hold empty tensors and scalars', async () => {
    expect(await errorOf(file('{}', 0))).toBe('accepted');
    expect(await errorOf(file('{}      ', 0))).toBe('accepted');
    expect(await errorOf(file({ b: f32(4, 4, [0, 3]), a: f32(0, 4, []) }, 4))).toBe('accepted');
  });

  it('cut anywhere, or with any byte changed, is refused or still consistent, never a crash', async () => {
    const whole = await safetensorsBytes([
      { name: 'a', dtype: 'F32', shape: [2, 3], data: () => new Float32Array(6) },
      { name: 'b', dtype: 'I64', shape: [2], data: () => [1, 2] },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async length => {
        expect(await errorOf(whole.subarray(0, length))).not.toBe('accepted');
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, byte) => {
        await errorOf(Uint8Array.from(whole).fill(byte, at, at + 1));
      }),
    );
  });
});

const duplicate = (json: string): string | undefined => findDuplicateKey(json, JSON.parse(json));

it('finds a repeated key exactly where there is one', () => {
  fc.assert(
    fc.property(fc.json(), json => {
      expect(duplicate(json)).toBeUndefined();
    }),
  );
  expect(duplicate('{"a":[{"b":1},{"b":1}],"c":{"a":"\\",\\"a\\":"}}')).toBeUndefined();
  expect(duplicate('{"a":[1,{"b":[],"b":2}]}')).toBe('b');
  expect(duplicate('{"__proto__":1,"b\\\\":2,"b\\\\":{":":1}}')).toBe('b\\');
});
