/** A run as one HTML file that needs nothing else: no network, no fonts, no libraries. */
import { Html, html } from './html.ts';
import type { RunReport } from './run-report.ts';
import { SCRIPT } from './script.ts';
import { sections, summaryCards } from './sections.ts';
import { styleSheet } from './style.ts';

/** Forbids every request, should a later change of the page try one. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

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
  const parts = sections(report);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="@spectra/monitor"><link rel="icon" href="data:,">
<title>${report.title}</title>
<style>${new Html(styleSheet(colourCount(report)))}</style></head>
<body><header>${report.date && html`<p class="eyebrow">${report.date}</p>`}
<h1>${report.title}</h1>${report.subtitle && html`<p class="subtitle">${report.subtitle}</p>`}
${
  parts.length > 1 &&
  html`<nav aria-label="Sections"><ul>${parts.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`
}</header>
<main>${summaryCards(report)}
${parts.map(({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${body}</section>\n`)}</main>
<footer>Made by @spectra/monitor. This file is self-contained and makes no network requests.</footer>
<script>${new Html(SCRIPT)}</script></body></html>
`;
  return page.text;
}
