import { join } from 'node:path';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { blobSource, bufferSource } from './byte-source.ts';
import { fileSource } from './node/file-source.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { safetensorsBytes, type TensorSpec } from './safetensors-writer.ts';
import { readTensor, type TensorStore } from './tensor-store.ts';

beforeAll(testBackend);

const python = join(workspaceRoot(), 'fixtures', 'safetensors', 'python.safetensors');
async function withPython<T>(use: (store: TensorStore) => Promise<T>): Promise<T> {
  const store = await openSafetensors(await fileSource(python));
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

describe("a file of Python's safetensors package", () => {
  it('is read, dtype by dtype', () =>
    withPython(async store => {
      expect(store.metadata).toEqual({ made_by: 'the safetensors package' });
      const data = async (name: string): Promise<number[]> => [...(await store.read(name)).data];
      expect(await data('f64')).toEqual([1 / 3, -1e300, 5e-324, 0]);
      expect(await data('i64')).toEqual([2 ** 53 - 1, -(2 ** 53 - 1), -1, 0]);
      expect(await data('i32')).toEqual([-(2 ** 31), 2 ** 31 - 1, 7]);
      expect(await data('i16')).toEqual([-32768, 32767]);
      expect(await data('bool')).toEqual([1, 0, 1]);
      expect(await data('u8')).toEqual(Array.from({ length: 256 }, (_, i) => i));
      expect(await data('scalar')).toEqual([2.5]);
      expect(store.entry('scalar').shape).toEqual([]);
      expect((await store.read('empty')).shape).toEqual([0, 3]);
      expect(await data('ünï"code\\')).toEqual([1]);
    }));

  it('gives every 8-bit float code the value that ml_dtypes gives it', () =>
    withPython(async store => {
      for (const kind of ['float8_e4m3fn', 'float8_e5m2', 'float8_e8m0fnu']) {
        const codes = (await store.read(`${kind}_codes`)).data;
        expect(codes, kind).toEqual((await store.read(`${kind}_values`)).data);
      }
    }));

  it('refuses 64-bit integers that a double cannot hold', () =>
    withPython(async store => {
      await expect(store.read('i64_too_large')).rejects.toMatchObject({
        code: 'CHECKPOINT_MISMATCH',
        message: expect.stringContaining('9007199254740992'),
      });
    }));

  it('agrees bit by bit with numpy and ml_dtypes on rounding to F16 and BF16', () =>
    withPython(async store => {
      const source = (await store.read('source')).data as Float32Array;
      for (const dtype of ['F16', 'BF16'] as const) {
        const bytes = await safetensorsBytes([
          { name: 'x', dtype, shape: [source.length], data: () => source },
        ]);
        const ours = await openSafetensors(bufferSource(bytes));
        const theirs = await store.read(dtype.toLowerCase());
        expect((await ours.read('x')).data, dtype).toEqual(theirs.data);
      }
    }));

  it('becomes tf tensors that the caller owns', () =>
    withPython(store =>
      noLeaks(async () => {
        const read = await Promise.all(
          ['bf16', 'f64', 'i32', 'bool', 'empty'].map(name => readTensor(store, name)),
        );
        expect(read.map(tensor => tensor.dtype)).toEqual(['float32', 'float32', 'int32', 'bool', 'float32']);
        await expect(readTensor(store, 'i64')).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
        return read;
      }),
    ));
});

describe('slices', () => {
  const shape = [3, 4, 5];
  const cube = async (options: Parameters<TensorStore['read']>[1]): Promise<unknown> =>
    withPython(async store => {
      const { shape, data } = await store.read('cube', options);
      const tensor = tf.tensor(data as Float32Array, [...shape]);
      const nested = tensor.arraySync();
      tensor.dispose();
      return nested;
    });

  it('agree with tf.slice over every axis', async () => {
    const cases = [
      [[1, 3]],
      [null, [1, 2]],
      [null, null, [2, 5]],
      [
        [0, 2],
        [1, 4],
        [3, 4],
      ],
      [
        [1, 1],
        [0, 4],
      ],
      [],
    ] as const;
    for (const slice of cases) {
      const ranges = shape.map((size, axis) => slice[axis] ?? [0, size]);
      const wanted = tf.tidy(() =>
        tf
          .slice(
            tf.reshape(tf.range(0, 60), shape),
            ranges.map(([start]) => start!),
            ranges.map(([start, end]) => end! - start!),
          )
          .arraySync(),
      );
      expect(await cube({ slice }), JSON.stringify(slice)).toEqual(wanted);
    }
  });

  it('outside of the tensor are errors', async () => {
    await expect(cube({ slice: [[0, 4]] })).rejects.toMatchObject({ code: 'SHAPE' });
    await expect(cube({ slice: [[2, 1]] })).rejects.toMatchObject({ code: 'SHAPE' });
    await expect(cube({ slice: [null, null, null, [0, 1]] })).rejects.toMatchObject({ code: 'SHAPE' });
  });

  it('of wrong expectations are mismatches', async () => {
    await expect(cube({ shape: [3, 4, 6] })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('[3, 4, 5], needed is [3, 4, 6]'),
    });
    await expect(cube({ shape: [-1, 4, 5] })).resolves.toBeDefined();
    await withPython(async store => {
      await expect(store.read('absent')).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    });
  });
});

it('reads only the range of the tensor asked for', async () => {
  const big: TensorSpec = {
    name: 'big',
    dtype: 'F32',
    shape: [1 << 16],
    data: () => new Float32Array(1 << 16),
  };
  const small: TensorSpec = {
    name: 'small',
    dtype: 'BF16',
    shape: [4, 2],
    data: () => [1, 2, 3, 4, 5, 6, 7, 8],
  };
  const bytes = await safetensorsBytes([big, small]);
  const inner = blobSource(new Blob([bytes]));
  let read = 0;
  const store = await openSafetensors({
    ...inner,
    read(offset, into) {
      read += into.byteLength;
      return inner.read(offset, into);
    },
  });
  const header = read;
  expect([...(await store.read('small', { slice: [[1, 3]] })).data]).toEqual([3, 4, 5, 6]);
  expect(read - header).toBe(8);
});
