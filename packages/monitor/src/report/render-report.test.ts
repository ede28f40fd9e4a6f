import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { exampleReport } from './example-report.ts';
import { shade } from './heat-map.ts';
import { html } from './html.ts';
import { renderReport } from './render-report.ts';

const text = renderReport(exampleReport());
const { document } = parseHTML(text);
const all = (selector: string) => [...document.querySelectorAll(selector)];

describe('renderReport', () => {
  it('needs no network: no address but the name of the SVG format, and a policy that forbids requests', () => {
    const addresses = new Set(text.match(/\b(?:https?:)?\/\/[\w.]+[^\s"'<)]*/g) ?? []);
    expect([...addresses].filter(a => !a.startsWith('http://www.w3.org/'))).toEqual([]);
    expect(all('link, img, iframe, script[src]').map(e => e.getAttribute('href') ?? e.outerHTML)).toEqual([
      'data:,',
    ]);
    expect(document.querySelector('meta[http-equiv]')!.getAttribute('content')).toContain(
      "default-src 'none'",
    );
    expect(text).not.toMatch(/url\(|@import/);
  });

  it('is the same for the same run', () => expect(renderReport(exampleReport())).toBe(text));

  it('shows every section, and links to each', () => {
    expect(all('main > section h2').map(h => h.textContent)).toEqual([
      'Loss',
      'Routing metrics by layer',
      'Load over training',
      'Routing entropy over training',
      'Experts by domain',
      'What each expert reads',
      'Continuations',
      'Compared with other routers',
      'Read this with care',
      'The run',
    ]);
    for (const link of all('nav a'))
      expect(document.querySelector(link.getAttribute('href')!)).not.toBeNull();
    const ids = all('[id]').map(e => e.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('says by words whether a bound is met', () => {
    const cards = all('.card').map(card => card.textContent.replace(/\s+/g, ' '));
    expect(cards[1]).toMatch(/Load CV.*✗ missed< 0\.1/);
    expect(cards[2]).toMatch(/0\.951.*✓ met> 0\.94/);
    expect(cards[5]).toMatch(/4,310.*tokens\/s/);
  });

  it('draws every chart for wide and narrow pages, with a name', () => {
    for (const size of ['.wide', '.narrow']) {
      const charts = all(`${size} > svg`);
      expect(charts).toHaveLength(1 + 4 + 1);
      for (const chart of charts) {
        expect(chart.getAttribute('role')).toBe('img');
        expect(chart.getAttribute('aria-label')).toMatch(/over training$/);
        expect(chart.outerHTML).not.toMatch(/NaN|undefined/);
      }
    }
    // one line per curve, one band per expert
    expect(document.querySelectorAll('#loss .wide svg g[aria-label="line"]')).toHaveLength(7);
    expect(document.querySelector('#load .wide svg')!.querySelectorAll('g[aria-label="area"]')).toHaveLength(
      8,
    );
  });

  it('prints each layer under each rule, the overall values below', () => {
    const [load, distinct] = all('#metrics table');
    expect(load!.querySelectorAll('tbody tr')).toHaveLength(8);
    expect(load!.querySelectorAll('tfoot tr')).toHaveLength(2);
    const report = exampleReport().rules![1]!.report;
    const causal = load!.querySelectorAll('tbody tr')[1]!;
    expect(causal.querySelector('th')!.textContent).toBe('0');
    expect(causal.querySelectorAll('td')[1]!.textContent).toBe(report.layers[0]!.load.cv.toFixed(3));
    const overall = distinct!.querySelectorAll('tfoot tr')[1]!;
    expect(overall.querySelectorAll('td')[1]!.textContent).toBe(report.overall.gramOrthogonality!.toFixed(3));
    for (const table of [load, distinct]) {
      const spans = [...table!.querySelectorAll('.groups th')].map(th => Number(th.getAttribute('colspan')));
      const columns = table!.querySelectorAll('thead tr:last-child th').length;
      expect(spans.reduce((a, b) => a + b, 0)).toBe(columns);
      for (const row of table!.querySelectorAll('tbody tr')) expect(row.children).toHaveLength(columns);
    }
  });

  it('colours every token by its first expert and tells all experts and gates', () => {
    const sample = exampleReport().samples![0]!;
    const tokens = [...document.querySelector('.sample .layer')!.querySelectorAll('.t')];
    expect(tokens.map(t => t.textContent.replaceAll('↵', ''))).toEqual(sample.tokens);
    const [experts, gates] = [sample.layers[0]!.experts[3]!, sample.layers[0]!.gates[3]!];
    expect(tokens[3]!.getAttribute('style')).toBe(`--e:var(--x${experts[0]})`);
    expect(tokens[3]!.getAttribute('title')).toBe(
      `expert ${experts[0]} · gate ${gates[0]!.toFixed(2)}, expert ${experts[1]} · gate ${gates[1]!.toFixed(2)}`,
    );
  });

  it('defines every colour it uses', () => {
    const style = document.querySelector('style')!.textContent;
    for (const [, name] of text.matchAll(/var\((--x\d+)/g)) expect(style).toContain(`${name}:`);
  });

  it('leaves out what there is no data for', () => {
    const bare = renderReport({ title: 'Nothing yet' });
    expect(bare).toContain('<h1>Nothing yet</h1>');
    expect(bare).not.toMatch(/<section|<nav|undefined/);
    const { rules } = exampleReport();
    const one = renderReport({ title: 'One rule', rules: [rules![0]!] });
    expect(parseHTML(one).document.querySelectorAll('#metrics thead tr:last-child th')[1]!.textContent).toBe(
      'CV',
    );
  });

  it('bears missing values and empty curves', () => {
    const page = renderReport({
      title: 'gaps',
      loss: {
        train: [{ name: 'train', steps: [1, 2, 3], values: [null, 2, Number.NaN] }],
        held: [{ name: 'empty', steps: [], values: [] }],
      },
      load: [{ layer: 0, steps: [1], loads: [[0, 0]] }],
      samples: [{ title: 's', tokens: ['a'], layers: [{ layer: 0, experts: [[-1, -1]], gates: [[0, 0]] }] }],
      keywords: [{ layer: 0, expert: 0, words: [] }],
      summary: [{ name: 'n', value: null }],
    });
    const parsed = parseHTML(page).document;
    for (const chart of parsed.querySelectorAll('figure svg'))
      expect(chart.outerHTML).not.toMatch(/NaN|undefined/);
    // a loss that is not a number is news, not a gap
    const values = [...parsed.querySelectorAll('#loss tbody td:nth-child(2)')].map(td => td.textContent);
    expect(values).toEqual(['–', '2', 'NaN']);
    expect(page).toContain('no expert');
  });

  it('cannot be broken out of by any text', () => {
    const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`;
    const page = renderReport({
      title: evil,
      subtitle: evil,
      date: evil,
      summary: [{ name: evil, value: evil, bound: evil, note: evil, unit: evil }],
      loss: {
        train: [{ name: evil, steps: [1, 2], values: [1, 2] }],
        held: [{ name: evil, steps: [1], values: [1] }],
        unit: evil,
      },
      samples: [
        { title: evil, note: evil, tokens: [evil], layers: [{ layer: 0, experts: [[0]], gates: [[1]] }] },
      ],
      keywords: [{ layer: 0, expert: 0, words: [evil], topDomain: evil }],
      tables: [{ title: evil, note: evil, columns: [evil], rows: [[evil], [evil]] }],
      notes: [evil],
      config: { [evil]: evil },
      environment: { [evil]: evil },
      versions: { [evil]: evil },
    });
    const parsed = parseHTML(page).document;
    expect(parsed.querySelectorAll('script')).toHaveLength(1);
    expect(parsed.querySelectorAll('img')).toHaveLength(0);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect([...parsed.querySelectorAll('*')].filter(e => e.hasAttribute('onerror'))).toEqual([]);
  });
});

describe('html', () => {
  it('escapes values, not HTML, and drops what is absent', () => {
    const inner = html`<b>${'<&>'}</b>`;
    expect(html`${inner}|${[1, null, false, undefined, 'a"b']}|${0}`.text).toBe(
      '<b>&lt;&amp;&gt;</b>|1a&quot;b|0',
    );
  });
});

it('shades affinity by its distance from independence', () => {
  expect(shade(1)).toContain('0%');
  expect(shade(3)).toBe('background:color-mix(in oklab,var(--more) 62%,var(--surface))');
  expect(shade(0)).toBe('background:color-mix(in oklab,var(--less) 62%,var(--surface))');
});
