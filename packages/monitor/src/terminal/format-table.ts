/** Tables of plain text. */
import { bold, dim, printedWidth } from './colour.ts';

export type Cell = string | number | boolean | null | undefined;

export interface FormatTableOptions {
  /** Significant digits of numbers that are not integers; default 4. */
  readonly digits?: number;
  /** Bold header; default false. */
  readonly colour?: boolean;
  /** Least width of each column, for tables that grow row by row. */
  readonly widths?: readonly number[];
}

/** Integers as they are, else `digits` significant digits; – for what does not exist. */
export function formatCell(cell: Cell, digits = 4): string {
  if (cell === null || cell === undefined) return '–';
  if (typeof cell !== 'number') return String(cell);
  if (!Number.isFinite(cell)) return Number.isNaN(cell) ? 'NaN' : cell > 0 ? '∞' : '−∞';
  if (Number.isInteger(cell) && Math.abs(cell) < 1e15) return String(cell);
  const magnitude = Math.abs(cell);
  return magnitude < 1e-4 || magnitude >= 10 ** Math.max(6, digits)
    ? cell.toExponential(digits - 1)
    : cell.toPrecision(digits);
}

/** Header, rule and rows, two spaces apart; a column whose values are all numbers (or missing) is right-aligned. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: FormatTableOptions = {},
): string {
  const { digits = 4, colour = false, widths: least = [] } = options;
  const text = rows.map(row => columns.map((_, c) => formatCell(row[c], digits)));
  const widths = columns.map((name, c) =>
    Math.max(least[c] ?? 0, printedWidth(name), ...text.map(row => printedWidth(row[c]!))),
  );
  const right = columns.map((_, c) => rows.every(row => row[c] == null || typeof row[c] === 'number'));
  const pad = (value: string, c: number): string => {
    const space = ' '.repeat(widths[c]! - printedWidth(value));
    return right[c] ? space + value : value + space;
  };
  const line = (cells: readonly string[]): string => cells.map(pad).join('  ').trimEnd();
  return [
    bold(line(columns), colour),
    dim(widths.map(width => '─'.repeat(width)).join('  '), colour),
    ...text.map(line),
  ].join('\n');
}
