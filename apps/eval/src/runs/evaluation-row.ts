/** An evaluation in the form that a row keeps. */
import type { RoutingReport } from '@spectra/monitor';
import type { Evaluation, RuleEvaluation } from '@spectra/trainer';
import type { ExpertTally } from '../measure/expert-tally.ts';
import type { ExpertRow, RuleRow, RunRow } from './row.ts';

export function evaluationRow(
  { causal, training, agreement }: Evaluation,
  tally: ExpertTally | undefined,
): NonNullable<RunRow['evaluation']> {
  return {
    causal: ruleRow(causal),
    training: ruleRow(training),
    agreement: agreement ?? null,
    row_error: tally?.rowError ?? null,
    column_error: tally?.columnError ?? null,
  };
}

function ruleRow({ loss, domains, routing }: RuleEvaluation): RuleRow {
  return {
    loss,
    domains: Object.fromEntries(
      domains.map(({ domain, loss: own, tokens }) => [domain, { loss: own, tokens }]),
    ),
    routing: routing ?? null,
  };
}

/** Of the last layer, by expert. */
export function expertRows(tally: ExpertTally, report: RoutingReport): ExpertRow[] {
  const { domains } = report.layers.at(-1)!;
  const total = tally.served.reduce((sum, slots) => sum + slots, 0);
  const keywords = tally.keywords.list();
  return Array.from(tally.served, (slots, expert) => ({
    expert,
    usage: slots / total,
    loss: slots === 0 ? null : tally.losses[expert]! / slots,
    top_domain: topDomain(domains, expert),
    purity: domains?.purity[expert] ?? null,
    keywords: keywords[expert] ?? [],
  }));
}

function topDomain(domains: RoutingReport['layers'][number]['domains'], expert: number): string | null {
  const affinity = domains?.affinity[expert];
  if (domains === null || affinity === undefined || affinity.every(value => value === null)) return null;
  const best = affinity.reduce<number>((top, value, i) => ((value ?? 0) > (affinity[top] ?? 0) ? i : top), 0);
  return domains.names[best]!;
}

/** [bins][E] share of each bin's slots; bins without tokens are left out. */
export function positionShares(tally: ExpertTally): number[][] {
  return tally.positions.flatMap(slots => {
    const total = slots.reduce((sum, n) => sum + n, 0);
    return total === 0 ? [] : [Array.from(slots, n => n / total)];
  });
}
