/** A run as one HTML file. */
import { renderPage } from './page.ts';
import type { RunReport } from './run-report.ts';
import { sections, summaryCards } from './sections.ts';

/** How many colours experts and lines take. */
function colourCount({ load = [], rules = [], samples = [], loss, entropy = [] }: RunReport): number {
  const experts = [
    ...load.flatMap(l => l.loads.map(row => row.length)),
    ...rules.map(r => r.report.experts),
    ...samples.flatMap(s => s.layers.flatMap(l => l.experts.flatMap(e => e.map(expert => expert + 1)))),
  ].reduce((most, n) => Math.max(most, n), 0);
  const heldOut = loss?.held.length ?? 0;
  return Math.max(
    8,
    experts,
    entropy.length,
    heldOut + Math.ceil(heldOut / 7),
    8 * (loss?.train.length ?? 0),
  );
}

/**
 * The whole page as text; write it to `report.html`. The same report gives the same text. Everything in it is escaped,
 * so texts and generated tokens cannot become markup.
 */
export function renderReport(report: RunReport): string {
  const { title, subtitle, date } = report;
  return renderPage({
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    ...(date === undefined ? {} : { date }),
    colours: colourCount(report),
    lead: summaryCards(report),
    sections: sections(report),
  });
}
