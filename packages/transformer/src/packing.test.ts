import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { effectiveDocuments, packDocuments } from './packing.ts';
import { ids } from './test-support.ts';

beforeAll(testBackend);

it('restarts positions in each document', async () => {
  await noLeaks(async () => {
    const documents = ids([
      [0, 0, 0, 1, 1, 0, 2],
      [5, 5, 5, 5, 5, 5, 5],
    ]);
    const packing = packDocuments(documents);
    await expectClose(packing.positions, [0, 1, 2, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
    await expectClose(packing.starts, [1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    await expectClose(packing.next, [1, 7]);
    return [documents, packing];
  });
});

it('does not count padding, on either side', async () => {
  await noLeaks(async () => {
    const mask = tf.tensor2d([
      [0, 0, 1, 1, 1],
      [1, 1, 1, 0, 0],
    ]);
    const documents = effectiveDocuments(mask)!;
    await expectClose(documents, [-1, -1, 0, 0, 0, 0, 0, 0, -1, -1]);
    const packing = packDocuments(documents);
    await expectClose(packing.positions, [0, 0, 0, 1, 2, 0, 1, 2, 0, 0]);
    await expectClose(packing.starts, [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
    const given = ids([
      [7, 7, 7, 7, 8],
      [3, 3, 4, 4, 4],
    ]);
    const masked = effectiveDocuments(mask, given)!;
    await expectClose(masked, [-1, -1, 7, 7, 8, 3, 3, 4, -1, -1]);
    return [mask, documents, packing, given, masked];
  });
});

it('goes on with the last document of an earlier pass, and only with that', async () => {
  await noLeaks(async () => {
    const documents = ids([
      [4, 4, 5],
      [4, 4, 4],
    ]);
    const past = { lastDocument: tf.tensor1d([4, 3], 'int32'), next: tf.tensor1d([10, 20], 'int32') };
    const packing = packDocuments(documents, past);
    await expectClose(packing.positions, [10, 11, 0, 0, 1, 2]);
    await expectClose(packing.starts, [0, 0, 1, 1, 0, 0]);
    await expectClose(packing.next, [1, 3]);
    return [documents, past, packing];
  });
});

it('needs no packing where nothing is given', () => {
  expect(effectiveDocuments()).toBeUndefined();
});
