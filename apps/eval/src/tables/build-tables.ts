/** Every table of a suite from the rows that are there. */
import type { Plan } from '../suite/expand.ts';
import { TABLE_IDS, type TableId } from '../suite/schema.ts';
import { ablationTable, sweepTable } from './by-arm.ts';
import { expertsTable, lengthTable, overheadTable } from './inside.ts';
import { mainTables } from './main.ts';
import { dynamicsTable, stabilityTable } from './over-training.ts';
import { type RowSource, type TableResults, tableResults } from './results.ts';
import { significanceTable } from './significance.ts';
import type { Table } from './table.ts';
import { versusTable } from './versus.ts';

const BUILDERS: Readonly<Record<TableId, (results: TableResults) => Table | Table[]>> = {
  T1: mainTables,
  T7: ablationTable,
  T9: overheadTable,
  T10: versusTable,
  T11: versusTable,
  T12: stabilityTable,
  T13: significanceTable,
  'B.4': sweepTable,
  'B.5': sweepTable,
  'C.2': dynamicsTable,
  'C.3': expertsTable,
  A: sweepTable,
  B: sweepTable,
  C: sweepTable,
  D: sweepTable,
  E: lengthTable,
};

/** In the order of the paper; runs that are not there yet are counted in `missing`. */
export function buildTables(plan: Plan, source: RowSource): Table[] {
  return TABLE_IDS.flatMap(id => {
    const results = tableResults(plan, id, source);
    return results === undefined ? [] : BUILDERS[id](results);
  });
}
