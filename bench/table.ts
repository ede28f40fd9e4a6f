/** Rows as lines on the terminal. */
import type { MemoryRow, ScalingRow, TimeRow } from './rows.ts';

export function timeLine(row: TimeRow): string {
  const parts = [
    row.case.padEnd(52),
    row.backend.padEnd(10),
    milliseconds(row.ours_ms),
    speed(row).padStart(12),
  ];
  if (row.peer === null) return parts.join(' ');
  parts.push(row.peer.padEnd(16), milliseconds(row.peer_ms));
  if (row.ratio !== null) parts.push(`${row.ratio.toFixed(2)}x`.padStart(9));
  if (row.target !== null && row.ratio !== null)
    parts.push(`${verdict(row)} (asked: ${row.target.toFixed(2)})`);
  if (row.note !== null) parts.push(row.note);
  return parts.join(' ');
}

/** Whether a row meets what is asked of it; undefined where nothing is asked or known. */
export function verdict({ ratio, target }: TimeRow): 'met' | 'MISSED' | undefined {
  if (ratio === null || target === null) return undefined;
  return ratio >= target ? 'met' : 'MISSED';
}

/** Tokens or floating-point operations per second, where one of them is the usual figure. */
export function speed({ ours_ms: ms, tokens, flops }: TimeRow): string {
  if (ms === null) return '';
  if (tokens !== null) return `${Math.round((tokens * 1000) / ms)} token/s`;
  return flops === null ? '' : `${(flops / ms / 1e6).toFixed(1)} GFLOP/s`;
}

function milliseconds(ms: number | null): string {
  return ms === null ? '–'.padStart(12) : `${ms.toFixed(ms < 10 ? 3 : 1)} ms`.padStart(12);
}

export function memoryLine(row: MemoryRow): string {
  const peer = row.peer_mib === null ? row.note! : `${row.peer} ${row.peer_mib.toFixed(1)} MiB`;
  return `peak memory: ${row.case.padEnd(52)} ${row.backend.padEnd(10)} ${row.ours_mib.toFixed(1)} MiB, ${peer}`;
}

export function scalingLine({ case: name, backend, values, ours_ms: times, exponent }: ScalingRow): string {
  const points = values.map((value, i) => `${value}: ${times[i]!.toFixed(2)}`).join(', ');
  return `scaling: ${name.padEnd(28)} ${backend.padEnd(10)} exponent ${exponent.toFixed(2)}  (ms at ${points})`;
}
