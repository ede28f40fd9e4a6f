import { readFileSync, writeFileSync } from 'node:fs';
import { setBackend } from '@spectra/tensor';
import { beforeAll, expect, it } from 'vitest';
import { expandSuite } from '../suite/expand.ts';
import { loadSuite } from '../suite/load.ts';
import { exampleRow, writeSuite } from '../testing/example-suite.ts';
import { scratchFolder } from '../testing/scratch-folder.ts';
import { answerTo, missingMeasures, requestKey, withOthers } from './measures.ts';
import { readRow, rowIds, rowPath, writeRow } from './row.ts';

beforeAll(() => setBackend('cpu'));

const folder = scratchFolder();
const firstRun = () => expandSuite(loadSuite(writeSuite())).runs[0]!;

it('a row comes back as it was, to nine digits, and is written the same again', () => {
  const run = firstRun();
  writeRow(folder, exampleRow(run, 2 + Math.PI * 1e-3));
  const row = readRow(folder, run.id)!;
  expect(row.evaluation!.causal.loss).toBe(2.00314159);
  const text = readFileSync(rowPath(folder, run.id), 'utf8');
  writeRow(folder, row);
  expect(readFileSync(rowPath(folder, run.id), 'utf8')).toBe(text);
  expect(text.length).toBeLessThan(20_000);
  expect(rowIds(folder)).toEqual([run.id]);
});

it('a file that is no row says what to do', () => {
  const id = '0123456789abcdef';
  expect(readRow(folder, id)).toBeUndefined();
  writeFileSync(rowPath(folder, id), '{"format":');
  expect(() => readRow(folder, id)).toThrow('not JSON');
  writeFileSync(rowPath(folder, id), JSON.stringify({ format: 0, id }));
  expect(() => readRow(folder, id)).toThrow('no row of run');
});

it('a question that was answered is not asked again, another one is', () => {
  const lengths = { name: 'lengths' as const, lengths: [32, 64] };
  const answered = { lengths: { key: requestKey(lengths), value: [] } };
  expect(missingMeasures([lengths], answered)).toEqual([]);
  const others = [
    { name: 'lengths' as const, lengths: [32] },
    { name: 'tasks' as const, tasks: ['cloze'] },
  ];
  expect(missingMeasures(others, answered)).toEqual(others);
});

it('a row keeps what other suites asked of its model', () => {
  const [first, second] = [['cloze'], ['arithmetic']].map(tasks => ({ name: 'tasks' as const, tasks }));
  const answer = (value: string, request = first!) => ({ tasks: { key: requestKey(request), value } });
  const lengths = { key: 'x', value: 1 };
  const both = withOthers({ ...answer('b', second) }, { ...answer('a'), lengths });
  expect(answerTo(first!, both.tasks)).toBe('a');
  expect(answerTo(second!, both.tasks)).toBe('b');
  expect(both).toMatchObject({ lengths });
  expect(missingMeasures([first!, second!], both)).toEqual([]);
  const again = withOthers(answer('c'), both);
  expect([first!, second!].map(request => answerTo(request, again.tasks))).toEqual(['c', 'b']);
  expect(withOthers(answer('d'), answer('a'))).toEqual(answer('d'));
});
