// Looks at a report as a reader would, in a headless Chromium: wide and narrow, in light and in dark.
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const WIDTHS = [1280, 390];
const THEMES = ['light', 'dark'];
/** What WCAG asks of text. */
const CONTRAST = 4.5;
/** CSS pixels of the smallest text in a figure. */
const SMALLEST = 9;

/** Opens the page of a suite in every form and fails with what a reader would not want to see. */
export async function checkReportPage(path, executablePath, { figures, tables }) {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    for (const width of WIDTHS) {
      for (const colorScheme of THEMES) {
        const what = `${width} px, ${colorScheme}`;
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
        const troubles = [];
        page.on('console', message => troubles.push(message.text()));
        page.on('pageerror', error => troubles.push(error.message));
        page.on('request', request => {
          if (request.url() !== pathToFileURL(path).href) troubles.push(`asks for ${request.url()}`);
        });
        await page.goto(pathToFileURL(path).href);
        const seen = await page.evaluate(lookAround);
        assert.ok(seen.pageWidth <= width, `${what}: the page is ${seen.pageWidth} px wide`);
        assert.equal(seen.charts.length, figures, `${what}: charts`);
        for (const chart of seen.charts) {
          assert.ok(
            chart.width >= Math.min(300, width * 0.7),
            `${what}: ${chart.name} is ${chart.width} px wide`,
          );
          assert.ok(chart.left >= 0 && chart.right <= width, `${what}: ${chart.name} leaves the page`);
          assert.ok(chart.smallest >= SMALLEST, `${what}: text of ${chart.smallest} px in ${chart.name}`);
          assert.ok(chart.marks > 0, `${what}: nothing is drawn in ${chart.name}`);
        }
        for (const { where, ratio } of seen.contrasts)
          assert.ok(ratio >= CONTRAST, `${what}: contrast ${ratio.toFixed(2)} of ${where}`);
        assert.equal(seen.dark, colorScheme === 'dark', `${what}: the page follows the theme`);
        assert.ok(seen.tables >= tables, `${what}: ${seen.tables} tables`);
        await sorts(page, what);
        await picksLayers(page, what);
        assert.deepEqual(troubles, [], what);
        await page.close();
      }
    }
  } finally {
    await browser.close();
  }
}

/** Runs in the page. */
function lookAround() {
  const charts = [...document.querySelectorAll('section svg[role=img]')].filter(
    svg => svg.getBoundingClientRect().width > 0,
  );
  const shade = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = colour => {
    shade.clearRect(0, 0, 1, 1);
    shade.fillStyle = colour;
    shade.fillRect(0, 0, 1, 1);
    return [...shade.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map(v => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = element => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const contrast = element => {
    const [a, b] = [luminance(rgb(getComputedStyle(element).color)), luminance(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const texts = [
    ...document.querySelectorAll('h1,h2,h3,p,li,th,td,a,button,small,.status,.t,figcaption,svg[role=img]'),
  ];
  return {
    pageWidth: document.documentElement.scrollWidth,
    dark: luminance(behind(document.body)) < 0.2,
    tables: document.querySelectorAll('table').length,
    charts: charts.map(svg => {
      const { left, right, width } = svg.getBoundingClientRect();
      const scale = width / svg.viewBox.baseVal.width;
      const sizes = [...svg.querySelectorAll('text')].map(text =>
        Number.parseFloat(getComputedStyle(text).fontSize),
      );
      const marks = svg.querySelectorAll('path, rect, circle').length;
      return {
        name: svg.getAttribute('aria-label'),
        left: Math.ceil(left),
        right: Math.floor(right),
        width,
        smallest: scale * Math.min(...sizes),
        marks,
      };
    }),
    contrasts: texts
      .filter(element => element.getClientRects().length > 0)
      .map(element => ({
        where: `<${element.localName}> ${element.textContent.trim().slice(0, 40)}`,
        ratio: contrast(element),
      })),
  };
}

/** Each table by each of its headings: rising, then falling. */
async function sorts(page, what) {
  const wrong = await page.evaluate(() =>
    [...document.querySelectorAll('table.sortable')].flatMap(table =>
      [...table.querySelectorAll('thead tr:last-child th')].flatMap((head, column) => {
        const order = () => [...table.tBodies[0].rows].map(row => row.cells[column].dataset.v);
        const sorted = (values, sign) => {
          const held = values.filter(value => value !== '');
          const numbers = held.map(Number).filter(value => !Number.isNaN(value));
          const rising =
            numbers.length < held.length ||
            numbers.every((v, i) => i === 0 || sign * (v - numbers[i - 1]) >= 0);
          return rising && values.slice(held.length).every(value => value === '');
        };
        return [1, -1].flatMap(sign => {
          head.querySelector('button').click();
          const said = head.getAttribute('aria-sort') === (sign === 1 ? 'ascending' : 'descending');
          return said && sorted(order(), sign) ? [] : [`${head.textContent}: ${order()}`];
        });
      }),
    ),
  );
  assert.deepEqual(wrong, [], `${what}: tables sort by their headings`);
}

/** The layers of a case study, one at a time. */
async function picksLayers(page, what) {
  const shown = await page.evaluate(() =>
    [...document.querySelectorAll('#case-studies .sample')].flatMap(sample =>
      [...sample.querySelectorAll('.tabs button')].map((button, layer) => {
        button.click();
        const open = [...sample.querySelectorAll('.layer')].filter(found => !found.hidden);
        return open.length === 1 && open[0].dataset.layer === String(layer);
      }),
    ),
  );
  assert.ok(shown.length >= 2 && shown.every(Boolean), `${what}: case studies show the layer that is chosen`);
}
