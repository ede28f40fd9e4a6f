/** A text in the terminal with each token in its expert's colour. */
import { onExpertColour, wantsColour } from './colour.ts';

export interface ExpertToken {
  readonly text: string;
  /** The token's first expert; −1 for none (padding, prompt, dropped). */
  readonly expert: number;
}

export interface RenderTokensOptions {
  /** Default: whether standard output is a terminal that wants colours. */
  readonly colour?: boolean;
  /** Ends with a line that names the experts' colours; default true where there is colour. */
  readonly legend?: boolean;
  /** Without colour: a line below each line of text has every character's expert, a digit or (from 10 on) a letter. */
  readonly marks?: boolean;
}

/** Control characters that would move the cursor or switch colours show as their picture (U+2400 block). */
const visible = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are replaced
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, c =>
    c === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + c.charCodeAt(0)),
  );

/** Neighbours of one expert are joined, and colours stop at line breaks so that no line is filled to its end. */
export function renderTokens(tokens: readonly ExpertToken[], options: RenderTokensOptions = {}): string {
  const { colour = wantsColour(), legend = colour, marks = false } = options;
  const plain = tokens.map(token => visible(token.text));
  if (!colour) return marks ? markedLines(tokens, plain) : plain.join('');
  let out = '';
  for (let i = 0; i < tokens.length; ) {
    const { expert } = tokens[i]!;
    let run = '';
    for (; i < tokens.length && tokens[i]!.expert === expert; i++) run += plain[i]!;
    out +=
      expert < 0
        ? run
        : run
            .split('\n')
            .map(line => (line === '' ? '' : onExpertColour(line, expert)))
            .join('\n');
  }
  const experts = [...new Set(tokens.map(token => token.expert))].filter(e => e >= 0).sort((a, b) => a - b);
  if (!legend || experts.length === 0) return out;
  return `${out}\n${experts.map(e => onExpertColour(` ${e} `, e)).join(' ')}`;
}

/** Experts past z, the 36th, all show as `+`. */
function markedLines(tokens: readonly ExpertToken[], plain: readonly string[]): string {
  const below = tokens.map(({ expert }, i) => {
    const mark = expert < 0 ? ' ' : expert < 36 ? expert.toString(36) : '+';
    return plain[i]!.replace(/[^\n]/gu, mark);
  });
  const marks = below.join('').split('\n');
  return plain
    .join('')
    .split('\n')
    .flatMap((line, i) => (marks[i]!.trim() === '' ? [line] : [line, marks[i]!]))
    .join('\n');
}
