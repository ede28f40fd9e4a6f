import { Parameter } from '@spectra/tensor';
import { noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { bufferSource } from './byte-source.ts';
import { DTYPES, sizeOf } from './dtypes.ts';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './floats.ts';
import { loadParameters, parameterSpecs } from './parameters.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { safetensorsBytes, type TensorSpec, tensorSpec, writeSafetensors } from './safetensors-writer.ts';
import { checkTensors } from './tensor-store.ts';

beforeAll(testBackend);

const dtype = fc.constantFrom('F64', 'F32', 'I64', 'U64', 'I32', 'U32', 'I16', 'U16', 'I8', 'U8', 'BOOL');
const spec = fc
  .record({ name: fc.string({ unit: 'binary' }), dtype, shape: fc.array(fc.nat(4), { maxLength: 4 }) })
  .filter(({ name }) => name !== '__metadata__')
  .chain(({ name, dtype, shape }) =>
    fc
      .array(fc.nat(1), { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
      .map((values): TensorSpec => ({ name, dtype, shape, data: () => values })),
  );
const specs = fc.uniqueArray(spec, { selector: ({ name }) => name, maxLength: 6 });

describe('a file that is written and read', () => {
  it('holds the same tensors and metadata, aligned to their elements', async () => {
    await fc.assert(
      fc.asyncProperty(specs, fc.dictionary(fc.string(), fc.string()), async (given, metadata) => {
        const bytes = await safetensorsBytes(given, { metadata });
        const store = await openSafetensors(bufferSource(bytes));
        expect(store.metadata).toEqual(metadata);
        expect(store.names().sort()).toEqual(given.map(({ name }) => name).sort());
        for (const { name, dtype, shape, data } of given) {
          const read = await store.read(name);
          expect(read).toMatchObject({ dtype, shape });
          expect([...read.data]).toEqual(await data());
          expect(store.entry(name).begin % DTYPES[dtype].bytes).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('asks for a tensor when its turn comes and converts it piece by piece', async () => {
    const events: string[] = [];
    const lazy = (name: string): TensorSpec => ({
      name,
      dtype: 'BF16',
      shape: [2 << 20],
      data: () => {
        events.push(name);
        return new Float32Array(2 << 20);
      },
    });
    const sink = {
      async write(bytes: Uint8Array) {
        events.push(bytes.byteLength < 1000 ? 'header' : `${bytes.byteLength >> 20} MiB`);
      },
    };
    await writeSafetensors(sink, [lazy('a'), lazy('b')]);
    expect(events).toEqual(['header', 'a', '2 MiB', '2 MiB', 'b', '2 MiB', '2 MiB']);
  });
});

describe('what cannot be written', () => {
  const write = (given: Partial<TensorSpec>): Promise<unknown> =>
    safetensorsBytes([{ name: 'x', dtype: 'F32', shape: [2], data: () => [1, 2], ...given }]);
  it('is refused with the reason', async () => {
    await expect(write({ name: '__metadata__' })).rejects.toMatchObject({ code: 'VALUE' });
    await expect(write({ shape: [3] })).rejects.toMatchObject({ code: 'SHAPE' });
    await expect(write({ dtype: 'I32', data: () => [1, 2.5] })).rejects.toThrow(
      '2.5 cannot be stored as I32',
    );
    await expect(write({ dtype: 'U8', data: () => [1, 256] })).rejects.toThrow('256');
    await expect(write({ dtype: 'BOOL', data: () => new Uint8Array([1, 2]) })).rejects.toThrow('2 cannot');
    await expect(write({ dtype: 'I64', data: () => [1, 2 ** 53] })).rejects.toMatchObject({ code: 'VALUE' });
    const twice = { name: 'x', dtype: 'F32', shape: [0], data: () => [] } as const;
    await expect(safetensorsBytes([twice, twice])).rejects.toThrow('two tensors are named "x"');
  });
});

describe('narrow floats', () => {
  it('survive widening and narrowing, every one of them', () => {
    const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const wide = new Float32Array(all.length);
    const back = new Uint16Array(all.length);
    const same = (quietBit: number): void => {
      for (let i = 0; i < all.length; i++) {
        const expected = Number.isNaN(wide[i]!) ? back[i]! & quietBit : all[i];
        if (Number.isNaN(wide[i]!) ? expected === 0 : back[i] !== expected)
          expect.fail(`code ${i}: ${back[i]}`);
      }
    };
    float16ToFloat32(all, wide);
    float32ToFloat16(wide, back);
    same(0x200);
    bfloat16ToFloat32(all, wide);
    float32ToBfloat16(wide, back);
    same(0x40);
  });

  it('round to the nearer neighbour, ties to even', () => {
    const round = (narrow: typeof float32ToFloat16, widen: typeof float16ToFloat32, x: number): number => {
      const bits = new Uint16Array(1);
      const out = new Float32Array(1);
      narrow(Float32Array.of(x), bits);
      widen(bits, out);
      return out[0]!;
    };
    const half = (x: number): number => round(float32ToFloat16, float16ToFloat32, x);
    const brain = (x: number): number => round(float32ToBfloat16, bfloat16ToFloat32, x);
    expect([half(2049), half(2051), half(65519), half(65520), half(2 ** -25), half(3 * 2 ** -25)]).toEqual([
      2048,
      2052,
      65504,
      Number.POSITIVE_INFINITY,
      0,
      2 ** -23,
    ]);
    expect([brain(257), brain(259), brain(-257), brain(3.4e38)]).toEqual([
      256,
      260,
      -256,
      Number.POSITIVE_INFINITY,
    ]);
  });
});

describe('parameters', () => {
  it('come back into a module of the same shapes', () =>
    noLeaks(async () => {
      const make = (value: number): Parameter[] => [
        new Parameter('w', tf.fill([2, 3], value)),
        new Parameter('b', tf.fill([3], value)),
      ];
      const [from, to] = [make(1.5), make(0)];
      const bytes = await safetensorsBytes(parameterSpecs(from, { dtype: 'BF16', rename: n => `m.${n}` }));
      const store = await openSafetensors(bufferSource(bytes));
      await loadParameters(store, to, { rename: n => `m.${n}` });
      expect(to.map(({ variable }) => [...variable.dataSync()])).toEqual([
        Array(6).fill(1.5),
        Array(3).fill(1.5),
      ]);
      const wrong = [new Parameter('w', tf.zeros([3, 2])), new Parameter('c', tf.zeros([3]))];
      await expect(loadParameters(store, wrong, { rename: n => `m.${n}` })).rejects.toMatchObject({
        code: 'CHECKPOINT_MISMATCH',
        message: expect.stringContaining(
          '1 missing: m.c; 1 unknown: m.b; 1 of another shape: m.w [2, 3] instead of [3, 2]',
        ),
      });
      expect(() => checkTensors(store, [['m.w', [2, 3]]], { allowUnknown: true })).not.toThrow();
      for (const parameter of [...from, ...to, ...wrong]) parameter.dispose();
    }));

  it('take their dtype from the tensor', async () => {
    const tensors = [tf.tensor1d([1, 0], 'bool'), tf.tensor1d([7], 'int32'), tf.tensor1d([0.5])];
    const bytes = await safetensorsBytes(tensors.map((tensor, i) => tensorSpec(String(i), tensor)));
    const store = await openSafetensors(bufferSource(bytes));
    expect(['0', '1', '2'].map(name => store.entry(name).dtype)).toEqual(['BOOL', 'I32', 'F32']);
    expect([...(await store.read('0')).data]).toEqual([1, 0]);
    tf.dispose(tensors);
  });
});
