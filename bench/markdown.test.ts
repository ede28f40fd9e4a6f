import { expect, it } from 'vitest';
import { memoryTable, missedList, provenance, scalingTable, shortTable, timeTable } from './markdown.ts';
import type { Row, TimeRow } from './rows.ts';
import { applyTargets } from './targets.ts';

const time = (overrides: Partial<TimeRow>): TimeRow => ({
  measure: 'time',
  case: 'a case',
  backend: 'wasm',
  quick: false,
  machine: 'a machine',
  load: 1,
  ours_ms: 2,
  spread: 1.1,
  runs: 9,
  peer: 'PyTorch eager',
  peer_version: '2',
  peer_ms: 6,
  peer_spread: 1.1,
  peer_runs: 9,
  ratio: 3,
  target: 4,
  tokens: null,
  flops: null,
  note: null,
  ...overrides,
});

it('a missed target is shown as missed, one that is met as met, quick rows not at all', () => {
  const rows: Row[] = [
    time({}),
    time({ peer: 'stock tfjs', peer_ms: 40, ratio: 20, target: 10 }),
    time({ case: 'quick one', quick: true }),
  ];
  expect(shortTable(rows)).toContain('| a case');
  expect(shortTable(rows)).toContain('**3.00×, missed** (≥ 4)');
  expect(shortTable(rows)).toContain('20× (≥ 10)');
  expect(shortTable(rows)).not.toContain('quick one');
  expect(missedList(rows)).toBe('- a case, against PyTorch eager: **3.00×, missed** (≥ 4)');
  expect(missedList(rows.slice(1))).toBe('No target is missed.');
});

it('an absent peer is a dash', () => {
  const absent = time({ peer_ms: null, ratio: null, note: 'no PyTorch' });
  expect(timeTable([absent], 'wasm')).toMatch(/\| a case +\| 2\.00 ms \| – +\| – +\|/);
});

it('memory and scaling have their tables', () => {
  const common = { case: 'a case', backend: 'wasm', quick: false, machine: 'a machine', load: 3 };
  const memory: Row = {
    ...common,
    measure: 'memory',
    ours_mib: 50,
    peer: 'PyTorch eager',
    peer_mib: 100,
    note: null,
  };
  const scaling: Row = {
    ...common,
    measure: 'scaling',
    variable: 'N',
    values: [1, 2],
    ours_ms: [1, 4],
    exponent: 2,
  };
  expect(memoryTable([memory, scaling])).toContain('| 0.50');
  expect(scalingTable([memory, scaling])).toContain('| 2.00');
});

it('where the rows come from is told with the load of the machine', () => {
  expect(provenance([time({}), time({ load: 3.14 }), time({ quick: true, machine: 'another' })])).toBe(
    'a machine; PyTorch 2; load average 1.0 to 3.1 while measuring (1 is the benchmark itself).',
  );
});

it('the smollm2 layer is asked for no more than 1.1 × the products of the same run', () => {
  const layer = time({ case: 'MoE layer smollm2: …', target: 0.9, ratio: 0.7 });
  const products = [0.4, 0.5, 0.6].map((ratio, i) => time({ case: `GEMM ${i}`, ratio }));
  expect(applyTargets([layer], products)[0]!.target).toBeCloseTo(0.55, 12);
  expect(applyTargets([layer], [])[0]!.target).toBe(0.9);
  expect(applyTargets([time({ target: 4 })], products)[0]!.target).toBe(4);
});
