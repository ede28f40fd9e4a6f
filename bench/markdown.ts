/** The tables of the documentation, from rows. */
import { PEER_LABELS } from './peers.ts';
import type { MemoryRow, Row, ScalingRow, TimeRow } from './rows.ts';
import { speed, verdict } from './table.ts';

/** A Markdown table with padded cells, as the formatter writes them. */
function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(3, title.length, ...lines.map(line => line[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...lines.map(line)].join('\n');
}

const milliseconds = (ms: number | null): string =>
  ms === null ? '–' : `${ms.toPrecision(ms >= 100 ? 4 : 3)} ms`;

/** `12.3×`, with what was asked and, in bold, that it is missed. */
function ratio(row: TimeRow | undefined): string {
  if (row === undefined || row.ratio === null) return '–';
  const found = `${row.ratio.toPrecision(row.ratio >= 100 ? 3 : 2)}×`;
  if (row.target === null) return found;
  const asked = `≥ ${Number(row.target.toPrecision(2))}`;
  // a digit more, so that a near miss is seen to be one
  return verdict(row) === 'met'
    ? `${found} (${asked})`
    : `**${row.ratio.toPrecision(3)}×, missed** (${asked})`;
}

const timesOf = (rows: readonly Row[], backend: string): TimeRow[] =>
  rows.filter((row): row is TimeRow => row.measure === 'time' && row.backend === backend && !row.quick);

/** Rows of each case, in the order of the file. */
const byCase = (rows: readonly TimeRow[]): TimeRow[][] =>
  [...new Set(rows.map(({ case: name }) => name))].map(name => rows.filter(row => row.case === name));

const against = (rows: readonly TimeRow[], label: string): TimeRow | undefined =>
  rows.find(({ peer }) => peer === label);

const isSingleOp = ([first]: readonly TimeRow[]): boolean => first!.case.startsWith('tfjs op: ');

/** Cases against every peer. */
export function timeTable(rows: readonly Row[], backend: string): string {
  const { torch, 'torch-avx2': narrow, compile, tfjs, jax } = PEER_LABELS;
  const peers = backend === 'wasm' ? [torch, narrow, tfjs, compile, jax] : [torch, tfjs];
  const cases = byCase(timesOf(rows, backend)).filter(group => !isSingleOp(group));
  return table(
    ['work', 'ours', ...peers.flatMap(peer => [peer, 'ratio'])],
    cases
      .filter(group => against(group, PEER_LABELS['one-worker']) === undefined)
      .map(group => {
        const rate = speed(group[0]!);
        const own = `${milliseconds(group[0]!.ours_ms)}${rate === '' ? '' : `, ${rate}`}`;
        const theirs = peers.flatMap(peer => {
          const row = against(group, peer);
          return [milliseconds(row?.peer_ms ?? null), ratio(row)];
        });
        return [group[0]!.case, own, ...theirs];
      }),
  );
}

/** The headline: each case with a target against PyTorch and stock tfjs. */
export function shortTable(rows: readonly Row[]): string {
  const { torch, 'torch-avx2': narrow, tfjs } = PEER_LABELS;
  const cases = byCase(timesOf(rows, 'wasm')).filter(group => against(group, torch)?.target != null);
  return table(
    ['one core, float32', 'ours', 'against PyTorch eager', 'PyTorch held to AVX2', 'against stock tfjs wasm'],
    cases.map(group => [
      group[0]!.case,
      milliseconds(group[0]!.ours_ms),
      ratio(against(group, torch)),
      ratio(against(group, narrow)),
      ratio(against(group, tfjs)),
    ]),
  );
}

/** What is below its target, as a list. */
export function missedList(rows: readonly Row[]): string {
  const missed = rows.filter(
    (row): row is TimeRow => row.measure === 'time' && !row.quick && verdict(row) === 'MISSED',
  );
  if (missed.length === 0) return 'No target is missed.';
  return missed.map(row => `- ${row.case}, against ${row.peer}: ${ratio(row)}`).join('\n');
}

export function workersTable(rows: readonly Row[]): string {
  const label = PEER_LABELS['one-worker'];
  const found = rows.filter(
    (row): row is TimeRow => row.measure === 'time' && row.peer === label && !row.quick,
  );
  return table(
    ['work', 'backend', 'two workers', 'one worker', 'ratio'],
    found.map(row => [
      row.case,
      row.backend,
      `${milliseconds(row.ours_ms)}, ${speed(row)}`,
      milliseconds(row.peer_ms),
      ratio(row),
    ]),
  );
}

/** tfjs's own ops with our kernels in the place of the stock ones. */
export function opTable(rows: readonly Row[]): string {
  return table(
    ['op', 'ours', 'stock tfjs wasm', 'ratio'],
    byCase(timesOf(rows, 'wasm'))
      .filter(isSingleOp)
      .map(([row]) => [
        row!.case.slice('tfjs op: '.length),
        milliseconds(row!.ours_ms),
        milliseconds(row!.peer_ms),
        ratio(row),
      ]),
  );
}

export function memoryTable(rows: readonly Row[]): string {
  const found = rows.filter((row): row is MemoryRow => row.measure === 'memory' && !row.quick);
  return table(
    ['work', 'backend', 'ours', 'PyTorch eager', 'ours / PyTorch'],
    found.map(({ case: name, backend, ours_mib: ours, peer_mib: peer }) => [
      name,
      backend,
      `${ours.toFixed(1)} MiB`,
      peer === null ? '–' : `${peer.toFixed(1)} MiB`,
      peer === null || peer < 1 ? '–' : (ours / peer).toFixed(2),
    ]),
  );
}

export function scalingTable(rows: readonly Row[]): string {
  const found = rows.filter((row): row is ScalingRow => row.measure === 'scaling' && !row.quick);
  return table(
    ['time of', 'backend', 'exponent', 'sizes', 'milliseconds'],
    found.map(({ case: name, backend, exponent, values, ours_ms: times }) => [
      name,
      backend,
      exponent.toFixed(2),
      values.join(', '),
      times.map(ms => ms.toPrecision(3)).join(', '),
    ]),
  );
}

/** Where and with what the rows were taken. */
export function provenance(rows: readonly Row[]): string {
  const full = rows.filter(({ quick }) => !quick);
  const versions = full.flatMap(row =>
    row.measure === 'time' && row.peer_version !== null ? [`PyTorch ${row.peer_version}`] : [],
  );
  const loads = full.map(({ load }) => load);
  const [least, most] = [Math.min(...loads), Math.max(...loads)].map(load => load.toFixed(1));
  const told = [...new Set([...full.map(({ machine }) => machine), ...versions])].join('; ');
  return `${told}; load average ${least} to ${most} while measuring (1 is the benchmark itself).`;
}
