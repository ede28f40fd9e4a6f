/** Numbers as every form of the report writes them. */
import type { Cell, Column, NumberCell, Row, Table } from '../tables/table.ts';

const DECIMALS = 3;

/** What does not exist. */
export const NOTHING = '–';

const fixed = (value: number, decimals: number): string => {
  const small = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
  return (small ? value.toExponential(1) : value.toFixed(decimals)).replace('-', '−');
};

/** Names a table in links and files. */
export const tableKey = ({ id, part }: Table): string =>
  [id.replace('.', '-').toLowerCase(), ...(part === undefined ? [] : [part])].join('-');

export interface CellText {
  readonly value: string;
  /** Standard deviation. */
  readonly deviation?: string;
  readonly bracket?: string;
}

export function cellText(cell: Cell, { decimals = DECIMALS }: Column): CellText {
  if (cell === null) return { value: NOTHING };
  if (typeof cell === 'string') return { value: cell };
  return {
    value: fixed(cell.value, decimals),
    ...(cell.deviation === undefined ? {} : { deviation: fixed(cell.deviation, decimals) }),
    ...(cell.bracket === undefined ? {} : { bracket: fixed(cell.bracket, decimals) }),
  };
}

export const isNumber = (cell: Cell | undefined): cell is NumberCell =>
  typeof cell === 'object' && cell !== null;

/** Per column the row that is best of those that count; none where nothing is better, or only one row counts. */
export function bestRows({ columns, rows }: Table): (Row | undefined)[] {
  return columns.map(({ better }, c) => {
    const counted = rows.filter(row => row.uncounted !== true && isNumber(row.cells[c]));
    if (better === undefined || counted.length < 2) return undefined;
    const value = (row: Row): number => (row.cells[c] as NumberCell).value;
    return counted.reduce((best, row) =>
      (better === 'more' ? value(row) > value(best) : value(row) < value(best)) ? row : best,
    );
  });
}

/** Sentences below a table: its notes, its failures, what is not there yet. */
export function footnotes(table: Table): string[] {
  const failed = new Map<string, Set<number>>();
  for (const { label, failures } of table.rows) {
    for (const { arm, seed, reason } of failures) {
      const key = `${label === arm ? arm : `${label} (${arm})`}: ${reason}`;
      failed.set(key, (failed.get(key) ?? new Set()).add(seed));
    }
  }
  const missing =
    table.missing === 0
      ? []
      : [
          `${table.missing} ${table.missing === 1 ? 'run is' : 'runs are'} not there yet: go on with spectra-eval resume.`,
        ];
  return [
    ...table.notes,
    ...[...failed].map(
      ([what, seeds]) => `Failed at seed${seeds.size === 1 ? '' : 's'} ${[...seeds].join(', ')}: ${what}`,
    ),
    ...missing,
  ];
}
