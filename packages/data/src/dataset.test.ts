import { noLeaks, testBackend } from '@spectra/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Batch, batchTensors, countPairs, tokenDomains } from './batch.ts';
import { Dataset, type DatasetOptions } from './dataset.ts';
import { type Corpus, memoryCorpus } from './document.ts';
import { byteTokenizer } from './tokenizer/byte-tokenizer.ts';
import type { StreamCursor } from './train-stream.ts';

/** Documents whose every byte tells its corpus: domain d uses letters from 'a' + 5d on. */
function corpus(domain: number, sizes: readonly number[]): Corpus {
  const documents = sizes.map((size, i) => ({
    id: `${i}`,
    text: Array.from({ length: size }, (_, j) => String.fromCharCode(97 + 5 * domain + ((i + j) % 5))).join(
      '',
    ),
  }));
  return memoryCorpus(`domain ${domain}`, documents, `corpus ${domain}`);
}

function dataset(options: Partial<DatasetOptions> = {}): Dataset {
  const corpora = options.corpora ?? [corpus(0, [5, 40, 1, 7, 2, 13, 0, 21]), corpus(1, [100, 3, 9, 30])];
  return new Dataset({
    tokenizer: byteTokenizer({ documentEnd: true }),
    length: 8,
    batch: 3,
    ...options,
    corpora,
  });
}

/** The documents' parts of a row: runs of [inputs, targets]. */
function parts(batch: Batch, row: number): { inputs: number[]; targets: number[] }[] {
  const found: { inputs: number[]; targets: number[] }[] = [];
  for (let i = row * batch.length; i < (row + 1) * batch.length; i++) {
    const document = batch.documents[i]!;
    if (document < 0) continue;
    const part = (found[document] ??= { inputs: [], targets: [] });
    expect(batch.positions[i]).toBe(part.inputs.length);
    expect(batch.documentStart[i]).toBe(part.inputs.length === 0 ? 1 : 0);
    expect(batch.weights[i]).toBe(1);
    part.inputs.push(batch.inputIds[i]!);
    part.targets.push(batch.targets[i]!);
  }
  return found;
}

/** Rebuilds the documents of a domain from its rows in order: parts that do not end in the end mark go on. */
function documentsOf(batches: readonly Batch[], domain: number): string[] {
  const texts: string[] = [];
  let open = '';
  for (const batch of batches) {
    for (let row = 0; row < batch.batch; row++) {
      if (batch.domains[row] !== domain) continue;
      for (const { inputs, targets } of parts(batch, row)) {
        expect(targets.slice(0, -1)).toEqual(inputs.slice(1));
        open += String.fromCharCode(...inputs);
        if (targets.at(-1) !== 256) continue;
        texts.push(open);
        open = '';
      }
    }
  }
  return texts;
}

describe('the training stream', () => {
  it('gives every training document once per epoch, whole, targets inside the document', async () => {
    for (const shuffle of [1, 3, 100]) {
      const data = dataset({ heldOut: 0.3, shuffle });
      const batches = await data.stream().take(60);
      for (let domain = 0; domain < 2; domain++) {
        const wanted: string[] = [];
        for await (const text of data.documents(`domain ${domain}`, 'train'))
          if (text !== '') wanted.push(text);
        const got = documentsOf(batches, domain);
        expect(got.length).toBeGreaterThan(3 * wanted.length);
        for (let epoch = 0; epoch < 3; epoch++) {
          const seen = got.slice(epoch * wanted.length, (epoch + 1) * wanted.length);
          expect([...seen].sort()).toEqual([...wanted].sort());
          if (shuffle === 1) expect(seen).toEqual(wanted);
        }
      }
      expect(batches.every(batch => countPairs(batch) === 24)).toBe(true);
    }
  });

  it('goes on identically from a cursor taken anywhere, across epochs, with any batch size', async () => {
    const sizes = fc.array(fc.nat(30), { minLength: 3, maxLength: 9 });
    const setup = fc.record({
      first: sizes,
      second: sizes,
      shuffle: fc.integer({ min: 1, max: 6 }),
      length: fc.integer({ min: 1, max: 17 }),
      seed: fc.nat(1000),
      cut: fc.nat(40),
    });
    await fc.assert(
      fc.asyncProperty(setup, async ({ first, second, cut, ...rest }) => {
        const corpora = [corpus(0, [...first, 9]), corpus(1, [...second, 4])];
        const make = (batch: number): Dataset => dataset({ ...rest, corpora, batch, heldOut: 0 });
        const whole = make(2).stream();
        const batches = await whole.take(cut + 10);
        const start = make(2).stream();
        expect(await start.take(cut)).toEqual(batches.slice(0, cut));
        const cursor = JSON.parse(JSON.stringify(start.cursor())) as StreamCursor;
        const resumed = make(2).stream(cursor);
        expect(resumed.cursor()).toEqual(cursor);
        await resumed.ready();
        expect(resumed.epochs()).toEqual(start.epochs());
        expect(resumed.cursor()).toEqual(cursor);
        expect(await resumed.take(10)).toEqual(batches.slice(cut));
        expect(resumed.cursor()).toEqual(whole.cursor());
        const single = await make(1).stream(cursor).take(20);
        expect(single.flatMap(batch => [...batch.inputIds])).toEqual(
          batches.slice(cut).flatMap(batch => [...batch.inputIds]),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('serves overlapping calls in order, so workers may share it', async () => {
    const one = await dataset().stream().take(6);
    const stream = dataset().stream();
    expect(await Promise.all(Array.from({ length: 6 }, () => stream.next()))).toEqual(one);
  });

  it('draws domains by their probability', async () => {
    const data = dataset({ weights: { 'domain 0': 3, 'domain 1': 1 } });
    expect(data.domains.map(({ probability }) => probability)).toEqual([0.75, 0.25]);
    const rows = (await data.stream().take(700)).flatMap(batch => [...batch.domains]);
    const share = rows.filter(domain => domain === 0).length / rows.length;
    expect(Math.abs(share - 0.75)).toBeLessThan(4 * Math.sqrt((0.75 * 0.25) / rows.length));
  });

  it('changes with the seed and shuffles anew every epoch', async () => {
    const order = async (seed: number): Promise<string[]> =>
      documentsOf(
        await dataset({ seed, heldOut: 0, corpora: [corpus(0, [3, 4, 5, 6, 7, 8, 9])] })
          .stream()
          .take(9),
        0,
      );
    const [a, b] = [await order(1), await order(2)];
    expect(a).not.toEqual(b);
    expect(a.slice(0, 7)).not.toEqual(a.slice(7, 14));
    expect(await order(1)).toEqual(a);
  });

  it('reads no further into a corpus than its shuffle block', async () => {
    let read = 0;
    const endless: Corpus = {
      domain: 'endless',
      name: 'endless',
      bytes: 1e12,
      async *documents() {
        for (;;) yield { id: String(read++), text: 'twelve bytes' };
      },
    };
    const data = dataset({ corpora: [endless], shuffle: 16, heldOut: 0 });
    const stream = data.stream();
    await stream.next();
    expect(read).toBe(16);
    await stream.take(20);
    expect(read).toBeLessThan(21 * 2 + 17);
  });

  it('refuses a cursor of other data', async () => {
    const cursor = dataset().stream().cursor();
    for (const other of [{ length: 9 }, { seed: 1 }, { heldOut: 0.2 }, { corpora: [corpus(0, [9])] }]) {
      expect(() => dataset(other).stream(cursor)).toThrow(
        expect.objectContaining({ code: 'CHECKPOINT_MISMATCH' }),
      );
    }
    expect(() => dataset({ batch: 1 }).stream(cursor)).not.toThrow();
    const begun = { ...byteTokenizer({ documentEnd: true }), bos: 0 };
    expect(() => dataset({ tokenizer: begun }).stream(cursor)).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_MISMATCH' }),
    );
  });

  it('says when there is nothing to train on', async () => {
    const nothing = dataset({
      corpora: [corpus(0, [0, 0])],
      heldOut: 0,
      temperature: 1,
      weights: { 'domain 0': 1 },
    });
    await expect(nothing.stream().next()).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
    expect(() => dataset({ corpora: [] })).toThrow(expect.objectContaining({ code: 'CORPUS_INVALID' }));
    expect(() => dataset({ length: 0 })).toThrow(expect.objectContaining({ code: 'VALUE' }));
  });
});

describe('held-out batches', () => {
  const sizes = Array.from({ length: 60 }, (_, i) => 3 + (i % 17));
  const data = dataset({ heldOut: 0.3, corpora: [corpus(0, sizes), corpus(1, sizes)] });
  const collect = async (...args: Parameters<Dataset['heldOut']>): Promise<Batch[]> => {
    const batches: Batch[] = [];
    for await (const batch of data.heldOut(...args)) batches.push(batch);
    return batches;
  };

  it('hold every held-out document in order, and no training document does', async () => {
    const batches = await collect('domain 1');
    const wanted: string[] = [];
    for await (const text of data.documents('domain 1', 'heldOut')) wanted.push(text);
    expect(documentsOf(batches, 1)).toEqual(wanted);
    expect(await collect('domain 1')).toEqual(batches);
    const all = [...wanted];
    for await (const text of data.documents('domain 1', 'train')) all.push(text);
    expect(all).toHaveLength(60);
    const last = batches.at(-1)!;
    const domains = tokenDomains(last);
    expect([...domains].filter(domain => domain === 1)).toHaveLength(countPairs(last));
    expect([...last.documents].filter(document => document < 0)).toHaveLength(24 - countPairs(last));
  });

  it('keep to a budget, in whole rows', async () => {
    const all = await collect('domain 0');
    const some = await collect('domain 0', { tokens: 39 }); // four rows of eight
    expect(some.map(countPairs)).toEqual([24, 8]);
    expect(some[0]).toEqual(all[0]);
    expect((await collect('domain 0', { tokens: 1, batch: 1 })).map(countPairs)).toEqual([8]);
  });

  it('need a known domain with held-out documents', async () => {
    await expect(collect('domain 7')).rejects.toThrow('there is no domain "domain 7"');
    const none = dataset({ heldOut: 0 });
    await expect(none.heldOut('domain 0').next()).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });
});

describe('token counts', () => {
  it('are of the targets of either side', async () => {
    const data = dataset({ heldOut: 0 });
    const counts = await data.tokenCounts('domain 0', 'train');
    // every byte but the first of each document, and the end mark of all but the empty one
    expect(counts.reduce((a, b) => a + b, 0)).toBe(5 + 40 + 1 + 7 + 2 + 13 + 21);
    expect(counts[256]).toBe(7);
  });

  it('have no token that only begins documents', async () => {
    const tokenizer = { ...byteTokenizer({ documentEnd: true }), bos: 0 };
    const data = dataset({ heldOut: 0, tokenizer });
    const counts = await data.tokenCounts('domain 0', 'train');
    // every byte, and an end mark for the empty document, too
    expect(counts.reduce((a, b) => a + b, 0)).toBe(5 + 40 + 1 + 7 + 2 + 13 + 21 + 8);
    expect(counts[0]).toBe(0);
    const { inputIds, documentStart, targets } = await data.stream().next();
    expect([...targets]).not.toContain(0);
    expect(inputIds[0]).toBe(0);
    inputIds.forEach((id, i) => {
      if (id === 0) expect(documentStart[i]).toBe(1);
    });
  });

  it('are what a pass of the training stream learns', async () => {
    const document = fc.record({
      question: fc.nat(9),
      answer: fc.integer({ min: 1, max: 9 }),
      talk: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(document, { minLength: 1, maxLength: 12 }), async found => {
        const documents = found.map(({ question, answer, talk }, i) => ({
          id: `${i}`,
          text: 'Q'.repeat(question) + 'abcdefghi'.slice(0, answer),
          ...(talk ? { answers: [[question, question + answer]] as [number, number][] } : {}),
        }));
        documents.push({ id: 'long enough', text: 'xy' });
        const data = dataset({ corpora: [memoryCorpus('x', documents)], heldOut: 0, shuffle: 1, batch: 1 });
        const counts = await data.tokenCounts('x', 'train');
        const learned = new Float64Array(257);
        // a pass ends with the targets "y" and the end mark; the row with the latter may begin another pass
        const stream = data.stream();
        let before = -1;
        for (let row = 0, ended = false; !ended; row++) {
          const { targets, weights } = await stream.next();
          for (let i = 0; i < targets.length && !ended; i++) {
            learned[targets[i]!]! += weights[i]!;
            ended = targets[i] === 256 && before === 'y'.charCodeAt(0);
            before = targets[i]!;
          }
          expect(row).toBeLessThan(100);
        }
        expect(learned).toEqual(counts);
      }),
      { numRuns: 60 },
    );
  });
});

describe('conversations', () => {
  // questions in capitals, answers in small letters; every document says its number of letters
  const talk = (question: number, answer: number) => ({
    text: 'Q'.repeat(question) + 'a'.repeat(answer),
    answers: [[question, question + answer]] as [number, number][],
    endMark: false,
  });
  const documents = [talk(2, 3), talk(3, 4), talk(1, 2), talk(4, 9), talk(12, 3), talk(2, 2)].map(
    (document, i) => ({ id: `${i}`, ...document }),
  );
  const data = (options: Partial<DatasetOptions> = {}) =>
    dataset({ corpora: [memoryCorpus('talk', documents)], heldOut: 0, shuffle: 1, batch: 6, ...options });
  const rowsOf = (batch: Batch): string[] =>
    Array.from({ length: batch.batch }, (_, row) => {
      const at = (array: Int32Array | Float32Array, i: number): number => array[row * batch.length + i]!;
      return Array.from({ length: batch.length }, (_, i) => {
        if (at(batch.documents, i) < 0) return '.';
        const target = String.fromCharCode(at(batch.targets, i));
        expect(at(batch.weights, i)).toBe(target === 'a' ? 1 : 0);
        return `${at(batch.documentStart, i) === 1 ? '|' : ''}${target}`;
      }).join('');
    });

  it('stay whole, are cut at the end of a row, and teach only their answers', async () => {
    const batch = await data().stream().next();
    // the fifth has no answer in its first row, so it is passed over
    expect(rowsOf(batch)).toEqual([
      '|Qaaa....',
      '|QQaaaa|aa',
      '|QQQaaaaa',
      '|Qaa|Qaaa.',
      '|QQaaaa|aa',
      '|QQQaaaaa',
    ]);
    expect(countPairs(batch)).toBe(3 + 6 + 5 + 5 + 6 + 5);
  });

  it('go on identically from a cursor', async () => {
    const options = { shuffle: 4, heldOut: 0, batch: 1 };
    const all = await data(options).stream().take(20);
    const first = data(options).stream();
    await first.take(7);
    const cursor = JSON.parse(JSON.stringify(first.cursor())) as StreamCursor;
    expect(await data(options).stream(cursor).take(13)).toEqual(all.slice(7));
  });

  it('are held out whole, and counted by what is learned', async () => {
    const held = data({ heldOut: 0.999, batch: 2 });
    const rows: string[] = [];
    for await (const batch of held.heldOut('talk')) rows.push(...rowsOf(batch));
    expect(rows.slice(0, 4)).toEqual(['|Qaaa....', '|QQaaaa|aa', '|QQQaaaaa', '|Qaa.....']);
    const counts = await held.tokenCounts('talk', 'heldOut');
    // of nine letters five are in the row, and the fifth conversation has no answer in its own
    expect(counts[97]).toBe(3 + 4 + 2 + 5 + 2);
    expect(counts[81]).toBe(0);
  });

  it('held out without an answer in reach are not called none', async () => {
    const corpora = [memoryCorpus('talk', [{ id: '0', ...talk(12, 3) }])];
    await expect(data({ corpora, heldOut: 0.999 }).heldOut('talk').next()).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      message: expect.stringContaining('1 held-out documents: they are texts of one token, or conversations'),
      fix: expect.stringContaining('data.length'),
    });
  });

  it('without an answer in reach are an error', async () => {
    const corpora = [memoryCorpus('talk', [{ id: '0', ...talk(12, 3) }])];
    await expect(data({ corpora }).stream().next()).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });
});

describe('batchTensors', () => {
  beforeAll(testBackend);
  it('belong to the caller', () =>
    noLeaks(async () => {
      const tensors = batchTensors(await dataset().stream().next());
      expect(tensors.inputIds.shape).toEqual([3, 8]);
      expect(tensors.weights.dtype).toBe('float32');
      return tensors;
    }));
});
