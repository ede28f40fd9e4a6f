/** One HTML file that needs nothing else: no network, no fonts, no libraries. */
import { Html, html } from './html.ts';
import { SCRIPT } from './script.ts';
import { styleSheet } from './style.ts';

/** Forbids every request, should a later change of the page try one. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/** A part of the page with an entry in its contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

export interface Page {
  readonly title: string;
  readonly subtitle?: string;
  /** When it was made, as text; the renderer reads no clock. */
  readonly date?: string;
  /** How many colours experts and lines take. */
  readonly colours: number;
  /** Before the sections. */
  readonly lead?: Html | undefined;
  readonly sections: readonly Section[];
}

/** The page as text; the same page gives the same text. */
export function renderPage({ title, subtitle, date, colours, lead, sections }: Page): string {
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="@spectra/monitor"><link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Html(styleSheet(colours))}</style></head>
<body><header>${date && html`<p class="eyebrow">${date}</p>`}
<h1>${title}</h1>${subtitle && html`<p class="subtitle">${subtitle}</p>`}
${
  sections.length > 1 &&
  html`<nav aria-label="Sections"><ul>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>`
}</header>
<main>${lead}
${sections.map(({ id, title: name, body }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>${body}</section>\n`)}</main>
<footer>Made by @spectra/monitor. This file is self-contained and makes no network requests.</footer>
<script>${new Html(SCRIPT)}</script></body></html>
`;
  return page.text;
}
