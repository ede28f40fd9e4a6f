/** T9, C.3 and sweep E: parts of a layer, experts one by one, contexts of several lengths. */
import { answerTo } from '../runs/measures.ts';
import type { LengthRow } from '../runs/row.ts';
import { labelAt } from './by-arm.ts';
import { type ArmResult, allArms, meanCell, missingOf, rowOf, type TableResults } from './results.ts';
import { type Row, type Table, TITLES } from './table.ts';

/** T9: milliseconds, operations and share of the layer of each part. */
export function overheadTable(results: TableResults): Table {
  const arms = allArms(results);
  const several = arms.length > 1;
  return {
    id: 'T9',
    title: TITLES.T9,
    head: 'part',
    columns: [
      {
        name: 'ms',
        title: 'Median of a forward pass of one micro-batch under the training rule',
        clock: true,
      },
      {
        name: 'MFLOPs',
        title: 'Of the same, by formula; 0 where a part only compares and moves',
        decimals: 2,
      },
      { name: '% of the layer', title: 'Of the whole layer’s time', decimals: 1, clock: true },
      { name: '% of FLOPs', title: 'Of the whole layer’s operations', decimals: 1 },
    ],
    rows: arms.flatMap(arm => {
      const [row] = arm.rows;
      const whole = row?.timing?.find(({ part }) => part === 'layer');
      return (row?.timing ?? []).map(
        ({ part, milliseconds, flops }): Row => ({
          label: several ? `${labelAt(arm, true)}: ${part}` : part,
          cells: [
            { value: milliseconds },
            { value: flops / 1e6 },
            { value: (100 * milliseconds) / whole!.milliseconds },
            { value: (100 * flops) / whole!.flops },
          ],
          ...rowOf(arm),
        }),
      );
    }),
    notes: [
      'Each part is timed alone, so they need not add up to the layer, whose parts share buffers and skip copies.',
      ...arms.flatMap(({ rows: [row], label }) =>
        row === undefined
          ? []
          : [
              `${label}: ${row.config.data.batch} × ${row.config.data.length} tokens, ${row.environment.backend}.`,
            ],
      ),
    ],
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}

/** C.3: every expert of the last layer, of the first seed of each arm. */
export function expertsTable(results: TableResults): Table {
  const arms = allArms(results);
  return {
    id: 'C.3',
    title: TITLES['C.3'],
    head: 'expert',
    columns: [
      { name: 'usage', title: 'Share of the last layer’s slots, causal rule' },
      { name: 'loss', title: 'Mean causal loss of the tokens it serves' },
      { name: 'top domain', title: 'The domain that it serves more often than by chance' },
      { name: 'purity', title: 'Largest share of one domain among its slots' },
      {
        name: 'keywords',
        title: 'Highest TF-IDF, an expert as a document; signs where it has next to no words',
      },
    ],
    rows: arms.flatMap(arm => {
      const [row] = arm.rows;
      return (row?.experts ?? []).map(
        ({ expert, usage, loss, top_domain, purity, keywords }): Row => ({
          label: arms.length > 1 ? `${labelAt(arm, true)}: ${expert}` : String(expert),
          cells: [
            { value: usage },
            loss === null ? null : { value: loss },
            top_domain,
            purity === null ? null : { value: purity },
            keywords.join(' ') || null,
          ],
          runs: [row!.id],
          failures: [],
        }),
      );
    }),
    notes: ['Of the last layer and the first seed.'],
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}

/** E: the same text read in pieces of several lengths. */
export function lengthTable(results: TableResults): Table {
  const arms = allArms(results);
  const asked = { name: 'lengths', lengths: results.table.lengths ?? [] } as const;
  const lengths = [...asked.lengths].sort((a, b) => a - b);
  const values: readonly [name: string, title: string, pick: (row: LengthRow) => number][] = [
    [
      'consistency',
      `Share of tokens whose first expert is the same as with a context of ${lengths[0]}, mean over layers`,
      row => row.consistency,
    ],
    [
      'sequential overlap',
      'Experts that neighbouring tokens share, over k, mean over layers',
      row => row.sequential_overlap,
    ],
    ['CV', 'Of the load, largest over layers', row => row.load_cv],
    ['loss', 'Of these texts, causal rule', row => row.loss],
  ];
  const at = (arm: ArmResult, length: number, pick: (row: LengthRow) => number) =>
    meanCell(arm, row => {
      const found = answerTo(asked, row.measures?.lengths)?.find(measured => measured.length === length);
      return found === undefined ? null : pick(found);
    });
  return {
    id: 'E',
    title: TITLES.E,
    head: 'length',
    columns: values.flatMap(([name, title]) =>
      arms.map(arm => ({ name: `${name} (${labelAt(arm, true)})`, title })),
    ),
    rows: lengths.map(length => ({
      label: String(length),
      cells: values.flatMap(([, , pick]) => arms.map(arm => at(arm, length, pick))),
      ...rowOf(...arms),
    })),
    notes: [
      `The same held-out text for every length, neighbouring documents of a domain joined, read by models trained on rows of ${trainedLength(arms)} tokens.`,
    ],
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}

function trainedLength(arms: readonly ArmResult[]): string {
  const lengths = new Set(arms.flatMap(({ rows }) => rows.map(row => row.config.data.length)));
  return lengths.size === 0 ? '–' : [...lengths].join(', ');
}
