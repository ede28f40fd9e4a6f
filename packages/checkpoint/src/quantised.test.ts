import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bufferSource } from './byte-source.ts';
import { float32ToFloat8 } from './floats.ts';
import { FP8_BLOCK, fp8Codes, fp8Scales } from './fp8-blocks.ts';
import { dequantised, type ModelStore } from './model-store.ts';
import { encodeMxfp4 } from './mxfp4.ts';
import { openModel } from './node/model.ts';
import { readPieces } from './pieces.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { safetensorsBytes, type TensorSpec } from './safetensors-writer.ts';
import { planSlice, type TensorSlice } from './slice.ts';

let store: ModelStore;
beforeAll(async () => {
  store = await openModel(join(workspaceRoot(), 'fixtures', 'safetensors', 'quantised.safetensors'));
});
afterAll(() => store.close());

const QUANTISED = ['matrix.weight', 'stack', 'wide.weight', 'experts'] as const;
const stored = async (name: string): Promise<Uint8Array> => {
  const { begin, end } = store.stored.entry(name);
  const bytes = new Uint8Array(end - begin);
  await store.stored.readBytes(name, 0, bytes);
  return bytes;
};

describe('quantised tensors', () => {
  it.each(QUANTISED)('%s reads as the values its codes stand for', async name => {
    const wanted = await store.read(`values.${name}`);
    const read = await store.read(name, { shape: wanted.shape });
    expect(read.dtype).toBe('F32');
    expect(read.data).toEqual(wanted.data);
    expect(store.entry(name)).toMatchObject({ dtype: 'F32', shape: wanted.shape });
  });

  it('appear under one name, their parts stay reachable', () => {
    const names = store.names();
    for (const name of QUANTISED) expect(names.filter(found => found === name)).toHaveLength(1);
    expect(names.filter(name => /_scale_inv|_blocks|_scales$/.test(name))).toEqual([]);
    expect(store.has('experts_blocks')).toBe(false);
    expect(() => store.entry('experts_blocks')).toThrow('no tensor');
    expect(store.stored.names()).toContain('experts_blocks');
    expect(store.storage('matrix.weight')).toMatchObject({
      kind: 'fp8-blocks',
      dtype: 'F8_E4M3',
      block: [128, 128],
    });
    expect(store.storage('experts')).toMatchObject({ kind: 'mxfp4' });
    expect(store.storage('plain')).toMatchObject({ kind: 'plain', tensor: { dtype: 'F32' } });
  });

  it('read the same by slices of any axis', async () => {
    const slices = (shape: readonly number[]) =>
      fc.tuple(
        ...shape.map(size =>
          fc
            .tuple(fc.nat(size), fc.nat(size))
            .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
        ),
      );
    for (const name of QUANTISED) {
      const { shape } = store.entry(name);
      await fc.assert(
        fc.asyncProperty(slices(shape), async slice => {
          const { data, shape: cut } = await store.read(name, { slice });
          const wanted = await store.read(`values.${name}`, { slice });
          expect(cut).toEqual(wanted.shape);
          expect(data).toEqual(wanted.data);
        }),
        { numRuns: 60 },
      );
    }
  });

  it('read the same in pieces of any size, each within the budget', async () => {
    for (const name of [...QUANTISED, 'plain']) {
      const whole = (await store.read(name)).data as Float32Array;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 8, max: 20_000 }), async maxBytes => {
          // small pieces of a large tensor are many: only a part of it
          const slice: TensorSlice = store
            .entry(name)
            .shape.map((size, i) => (i === 0 ? [0, Math.min(2, size)] : null));
          const { run, starts } = planSlice(store.entry(name).shape, slice, name);
          const wanted = [...starts].flatMap(start => [...whole.subarray(start, start + run)]);
          const got: number[] = [];
          for await (const piece of readPieces(store, name, { maxBytes: Math.max(maxBytes, 400), slice })) {
            expect(piece.data.byteLength).toBeLessThanOrEqual(Math.max(maxBytes, 400));
            expect(piece.offset).toBe(got.length);
            got.push(...piece.data);
          }
          expect(got).toEqual(wanted);
        }),
        { numRuns: 5 },
      );
    }
    await expect(readPieces(store, 'plain', { maxBytes: 4 }).next()).rejects.toMatchObject({ code: 'VALUE' });
  });
});

describe('encoders', () => {
  it.each(['F8_E4M3', 'F8_E5M2'] as const)('%s rounds bit by bit as ml_dtypes', async kind => {
    const source = (await store.read('source')).data as Float32Array;
    const codes = new Uint8Array(source.length);
    float32ToFloat8(kind, source, codes);
    const wanted = await stored(`rounded.${kind}`);
    // infinity has no E4M3 code, and a NaN's sign and payload are free
    const table = (code: number): number => (kind === 'F8_E4M3' ? code & 0x7f : code & 0x7f) as number;
    const nan = (code: number): boolean => (kind === 'F8_E4M3' ? table(code) === 0x7f : table(code) > 0x7c);
    codes.forEach((code, i) => {
      if (nan(wanted[i]!)) expect(nan(code), `${source[i]}`).toBe(true);
      else expect(code, `${source[i]}`).toBe(wanted[i]);
    });
  });

  it('FP8 scales and codes of a plain matrix are those of the usual formula', async () => {
    const { data, shape } = await store.read('plain');
    const [rows, columns] = shape as [number, number];
    const wantedScales = (await store.read('plain.scales')).data;
    const wantedCodes = await stored('plain.codes');
    for (const band of [0, 1]) {
      const part = (data as Float32Array).subarray(
        band * 128 * columns,
        Math.min(rows, (band + 1) * 128) * columns,
      );
      const scales = fp8Scales(part, columns, FP8_BLOCK);
      const codes = fp8Codes(part, columns, FP8_BLOCK, scales);
      expect(scales).toEqual(wantedScales.slice(2 * band, 2 * band + 2));
      expect(codes).toEqual(wantedCodes.slice(band * 128 * columns, band * 128 * columns + codes.length));
    }
  });

  it('FP8 that was read comes back to the same values', async () => {
    const { data, shape } = await store.read('values.matrix.weight');
    const columns = shape[1]!;
    const band = (data as Float32Array).subarray(0, 128 * columns);
    const scales = fp8Scales(band, columns, FP8_BLOCK);
    const codes = fp8Codes(band, columns, FP8_BLOCK, scales);
    const back = await dequantised(
      await openSafetensors(
        bufferSource(
          await safetensorsBytes([
            { name: 'w', dtype: 'F32', shape: [128, columns], data: () => band },
            { name: 'q_scale_inv', dtype: 'F32', shape: [1, 2], data: () => scales },
            {
              name: 'q',
              dtype: 'F8_E4M3',
              shape: [128, columns],
              bytes: async function* () {
                yield codes;
              },
            },
          ]),
        ),
      ),
    ).read('q');
    expect(back.data).toEqual(band);
  });

  it('FP8 of zeros, the smallest and not finite values does not divide by zero', () => {
    for (const [values, wanted] of [
      [
        [0, -0],
        [0, 0x80],
      ],
      [
        [1e-45, 0],
        [0x38, 0],
      ],
      [
        [Number.POSITIVE_INFINITY, 448],
        [0x7f, 0x7e],
      ],
      [
        [Number.NaN, 448],
        [0x7f, 0x7e],
      ],
    ] as const) {
      const scales = fp8Scales(Float32Array.from(values), 2, FP8_BLOCK);
      const codes = fp8Codes(Float32Array.from(values), 2, FP8_BLOCK, scales);
      expect(Number.isFinite(scales[0]!) && scales[0]! > 0).toBe(true);
      if (values[0] !== 1e-45)
        expect([...codes].map((c, i) => (i === 0 && (c & 0x7f) === 0x7f ? 0x7f : c))).toEqual(wanted);
      else expect(codes[0]).toBeGreaterThan(0);
    }
  });

  it('MXFP4 rounds to nearest even under the usual exponent, and what was read comes back to the same values', async () => {
    const plain = await store.read('plain.experts');
    const [experts, inputs, outputs] = plain.shape as [number, number, number];
    const size = inputs * outputs;
    const codes = new Uint8Array((experts * size) / 2);
    const exponents = new Uint8Array((experts * size) / 32);
    for (let e = 0; e < experts; e++) {
      const finite = encodeMxfp4(
        (plain.data as Float32Array).subarray(e * size, (e + 1) * size),
        inputs,
        outputs,
        codes.subarray((e * size) / 2),
        exponents.subarray((e * size) / 32),
      );
      expect(finite).toBe(true);
    }
    expect(codes).toEqual(await stored('plain.mxfp4_codes'));
    expect(exponents).toEqual(await stored('plain.mxfp4_exponents'));
    const values = await store.read('experts');
    const [count, ins, outs] = values.shape as [number, number, number];
    const again = new Float32Array(values.data.length);
    for (let e = 0; e < count; e++) {
      const part = (values.data as Float32Array).subarray(e * ins * outs, (e + 1) * ins * outs);
      const [b, s] = [new Uint8Array(part.length / 2), new Uint8Array(part.length / 32)];
      encodeMxfp4(part, ins, outs, b, s);
      const spec = (name: string, data: Uint8Array, shape: number[]): TensorSpec => ({
        name,
        dtype: 'U8',
        shape,
        data: () => data,
      });
      const file = await safetensorsBytes([
        spec('x_blocks', b, [1, outs, ins / 32, 16]),
        spec('x_scales', s, [1, outs, ins / 32]),
      ]);
      again.set(
        (await dequantised(await openSafetensors(bufferSource(file))).read('x')).data,
        e * ins * outs,
      );
    }
    expect(again).toEqual(values.data);
    const nan = Float32Array.from({ length: 32 }, (_, i) => (i === 3 ? Number.NaN : 1));
    expect(encodeMxfp4(nan, 32, 1, new Uint8Array(16), new Uint8Array(1))).toBe(false);
  });
});

describe('quantised tensors that do not belong together', () => {
  const zeros = (name: string, dtype: TensorSpec['dtype'], shape: number[]): TensorSpec => ({
    name,
    dtype,
    shape,
    data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)),
  });
  const view = async (...specs: TensorSpec[]): Promise<ModelStore> =>
    dequantised(await openSafetensors(bufferSource(await safetensorsBytes(specs), 'x.safetensors')));
  const codes = zeros('w.weight', 'F8_E4M3', [130, 4]);
  const scales = zeros('w.weight_scale_inv', 'F32', [2, 1]);
  const [blocks, exponents] = [zeros('e_blocks', 'U8', [1, 2, 1, 16]), zeros('e_scales', 'U8', [1, 2, 1])];
  it.each([
    ['scales without a weight', [scales], '"w.weight" that it scales is missing'],
    ['scales of a BF16 weight', [zeros('w.weight', 'BF16', [130, 4]), scales], 'it is BF16'],
    ['scales of another shape', [codes, zeros('w.weight_scale_inv', 'F32', [1, 1])], 'its shape is [1,1]'],
    ['integer scales', [codes, zeros('w.weight_scale_inv', 'I32', [2, 1])], 'cannot be I32'],
    ['scales of a vector', [zeros('w.weight', 'F8_E4M3', [130]), scales], 'a vector'],
    [
      'another weight without scales',
      [codes, scales, zeros('v.weight', 'F8_E4M3', [4, 4])],
      'scales "v.weight_scale_inv" are missing',
    ],
    ['blocks without scales', [blocks], 'scales "e_scales" are missing'],
    ['float blocks', [zeros('e_blocks', 'F32', [1, 2, 1, 16]), exponents], 'U8, not F32'],
    ['float scales', [blocks, zeros('e_scales', 'F32', [1, 2, 1])], 'U8, not F32'],
    ['blocks of another size', [zeros('e_blocks', 'U8', [1, 2, 1, 8]), exponents], '16]'],
    ['scales for other blocks', [blocks, zeros('e_scales', 'U8', [1, 2, 2])], 'its shape is [1,2,2]'],
  ] as const)('%s: CHECKPOINT_MISMATCH', async (_, specs, message) => {
    await expect(view(...specs)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining(message),
      where: expect.stringContaining('x.safetensors'),
    });
  });

  it('a tensor both plain and quantised is broken', async () => {
    await expect(view(blocks, exponents, zeros('e', 'F32', [1]))).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
    });
  });

  it('scales that are not finite: NOT_FINITE, when their block is read', async () => {
    const wrong = await view(codes, { ...scales, data: () => [1, Number.NaN] });
    await expect(wrong.read('w.weight', { slice: [[0, 128]] })).resolves.toBeDefined();
    await expect(wrong.read('w.weight')).rejects.toMatchObject({ code: 'NOT_FINITE' });
    const nan = await view(blocks, { ...exponents, data: () => [127, 255] });
    await expect(nan.read('e')).rejects.toMatchObject({
      code: 'NOT_FINITE',
      where: expect.stringContaining('e_scales'),
    });
    expect((await nan.read('e', { slice: [null, null, [0, 1]] })).data).toHaveLength(32);
  });

  it('a lone 8-bit weight is read as it is', async () => {
    expect((await (await view(codes)).read('w.weight')).data).toHaveLength(520);
  });
});
