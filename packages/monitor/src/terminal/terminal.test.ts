import { describe, expect, it } from 'vitest';
import { ConsoleSink } from '../sinks/console.ts';
import { printedWidth, wantsColour } from './colour.ts';
import { formatCell, formatTable } from './format-table.ts';
import { renderTokens } from './render-tokens.ts';

describe('wantsColour', () => {
  it('follows the terminal unless the environment says otherwise', () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({}, {})).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(wantsColour({}, { FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColour({ isTTY: true }, { FORCE_COLOR: '0' })).toBe(false);
  });
});

describe('renderTokens', () => {
  const tokens = [
    { text: 'The', expert: 0 },
    { text: ' cat', expert: 0 },
    { text: '\nsat', expert: 3 },
    { text: '.', expert: -1 },
  ];

  it('is the plain text without colour', () => {
    expect(renderTokens(tokens, { colour: false })).toBe('The cat\nsat.');
  });

  it('marks the expert of each character below its line', () => {
    expect(renderTokens(tokens, { colour: false, marks: true })).toBe('The cat\n0000000\nsat.\n333 ');
    const late = [
      { text: 'é😀', expert: 10 },
      { text: '\n\n', expert: 1 },
      { text: 'b', expert: 40 },
    ];
    expect(renderTokens(late, { colour: false, marks: true })).toBe('é😀\naa\n\nb\n+');
  });

  it('colours runs of one expert, not line breaks, and names the experts', () => {
    const text = renderTokens(tokens, { colour: true });
    expect(text).toBe(
      '\u001b[30;48;5;117mThe cat\u001b[0m\n\u001b[30;48;5;219msat\u001b[0m.\n' +
        '\u001b[30;48;5;117m 0 \u001b[0m \u001b[30;48;5;219m 3 \u001b[0m',
    );
    expect(renderTokens(tokens, { colour: true, legend: false })).not.toContain(' 3 ');
  });

  it('lets no token write escape sequences', () => {
    expect(renderTokens([{ text: 'a\u001b[2Jb\u007f', expert: 1 }], { colour: false })).toBe('a␛[2Jb␡');
  });
});

describe('formatTable', () => {
  it('aligns numbers to the right and text to the left', () => {
    expect(
      formatTable(
        ['layer', 'rule', 'CV'],
        [
          [0, 'training', 0.01234567],
          [11, 'décodé', null],
        ],
      ),
    ).toBe(
      [
        'layer  rule           CV',
        '─────  ────────  ───────',
        '    0  training  0.01235',
        '   11  décodé          –',
      ].join('\n'),
    );
  });

  it('formats numbers by significant digits', () => {
    expect(
      [3, 0.5, 1234.5678, 1.5e-7, 3.2e9 + 0.5, Number.NaN, -Infinity, null, 'x'].map(c => formatCell(c)),
    ).toEqual(['3', '0.5000', '1235', '1.500e-7', '3.200e+9', 'NaN', '−∞', '–', 'x']);
  });

  it('does not count colour codes as width', () => {
    expect(printedWidth('\u001b[1mab\u001b[22m')).toBe(2);
    expect(formatTable(['a'], [['b']], { colour: true }).split('\n')[0]).toBe('\u001b[1ma\u001b[22m');
  });
});

describe('ConsoleSink', () => {
  it('prints a header now and then, and no row without values', () => {
    let out = '';
    const stream = { write: (text: string) => (out += text) };
    const sink = new ConsoleSink({ columns: ['loss', 'cv'], stream, headerEvery: 2 });
    for (let step = 1; step <= 3; step++) sink.write({ step, loss: step / 3 });
    sink.write({ step: 4, eval_loss: 1 });
    sink.close();
    expect(out.trimEnd().split('\n')).toEqual([
      '     step       loss         cv',
      '─────────  ─────────  ─────────',
      '        1     0.3333          –',
      '        2     0.6667          –',
      '     step       loss         cv',
      '─────────  ─────────  ─────────',
      '        3          1          –',
    ]);
  });
});
