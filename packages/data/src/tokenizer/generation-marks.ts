/**
 * The marks that some chat templates put around answers, `{% generation %}` and `{% endgeneration %}`. The library leaves
 * them out; here they become characters that are found again in what the template writes.
 */
import type { TextSpan } from '../document.ts';

/** Private-use characters, which no text should hold: what is rendered is checked against the template without marks. */
const [BEGIN, END] = ['\uf8f0', '\uf8f1'];

const TAG = String.raw`{%-?\s*(?:end)?generation\s*-?%}`;

/** The template with characters in the place of its marks; undefined if it has none. White space is the library's. */
export function withMarks(source: string): string | undefined {
  if (!new RegExp(TAG).test(source)) return undefined;
  return source
    .replace(/^[ \t]*({[#%-])/gm, '$1') // as every block: what stands before it on its line,
    .replace(new RegExp(`(${TAG})\n`, 'g'), '$1') // and the line break behind it, is not written
    .replace(
      /(\s*){%(-?)\s*(end)?generation\s*(-?)%}(\s*)/gs,
      (_, before: string, left: string, end: string | undefined, right: string, after: string) =>
        (left === '' ? before : '') + (end === undefined ? BEGIN : END) + (right === '' ? after : ''),
    );
}

/** The text without marks and what they enclose; no spans if they do not come in pairs. */
export function readMarks(marked: string): { readonly text: string; readonly spans?: TextSpan[] } {
  const spans: TextSpan[] = [];
  let text = '';
  let begin: number | undefined;
  for (const part of marked.split(/([\uf8f0\uf8f1])/)) {
    if (part === BEGIN) {
      if (begin !== undefined) return { text };
      begin = text.length;
    } else if (part === END) {
      if (begin === undefined) return { text };
      if (text.length > begin) spans.push([begin, text.length]);
      begin = undefined;
    } else text += part;
  }
  return begin === undefined ? { text, spans } : { text };
}
