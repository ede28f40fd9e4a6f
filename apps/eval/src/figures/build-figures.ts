/** Every figure that the rows of a suite allow. */
import { html, tokenView } from '@spectra/monitor/node';
import { answerTo } from '../runs/measures.ts';
import type { Plan } from '../suite/expand.ts';
import { type ArmResult, allArms, type RowSource, tableResults } from '../tables/results.ts';
import { curveFigures } from './curves.ts';
import { positionFigure, usageFigure, vectorFigure } from './experts.ts';
import type { Figure } from './figure.ts';

/** Curves of the arms of C.2 (of T1, where that is absent); the rest of the reference of T1. */
export function buildFigures(plan: Plan, source: RowSource): Figure[] {
  const main = tableResults(plan, 'T1', source);
  const dynamics = tableResults(plan, 'C.2', source) ?? main;
  const curved = dynamics === undefined ? [] : allArms(dynamics);
  const reference = main === undefined ? undefined : allArms(main).find(({ arm }) => arm === main.reference);
  return [
    ...curveFigures(curved),
    usageFigure(curved),
    ...(reference === undefined
      ? []
      : [positionFigure(reference), vectorFigure(reference), caseStudies(reference, plan)]),
  ].filter(figure => figure !== undefined);
}

/** Texts whose tokens stand on their expert's colour. */
function caseStudies({ rows: [row] }: ArmResult, { suite }: Plan): Figure | undefined {
  const texts = answerTo({ name: 'texts', texts: suite.texts }, row?.measures?.texts) ?? [];
  if (texts.length === 0) return undefined;
  return {
    id: 'case-studies',
    title: 'Case studies: each token by its first expert',
    caption: 'Causal rule, first seed. Choose a layer, a token or an expert.',
    body: html`${texts.map(({ title, tokens, experts, gates }) =>
      tokenView({
        title,
        tokens,
        layers: experts.map((chosen, layer) => ({ layer, experts: chosen, gates: gates[layer]! })),
      }),
    )}`,
    runs: [row!.id],
  };
}
