/** Cuts long texts into blocks, each a document of its own, at the best place there is. */
import { isLowSurrogate, type TextDocument } from './document.ts';

/** Between paragraphs rather than lines, lines rather than words; but no block under a quarter of the length. */
const BREAKS = ['\n\n', '\n', ' '] as const;

/** Where to cut a text that is longer than `length`: the first block's end, at most `length`. */
function cutAt(text: string, length: number): number {
  for (const mark of BREAKS) {
    const at = text.lastIndexOf(mark, length - mark.length);
    if (at >= 0 && at + mark.length >= length / 4) return at + mark.length;
  }
  return isLowSurrogate(text.charCodeAt(length)) ? length - 1 : length;
}

/**
 * Blocks of at most `length` (≥ 4) UTF-16 units of a text that arrives in chunks; put together they are the text,
 * and they do not depend on how it was chunked. Holds one block and one chunk. The first block keeps the document's
 * id, the others get `#1`, `#2`, …
 */
export async function* cutStream(
  id: string,
  chunks: AsyncIterable<string> | Iterable<string>,
  length: number,
): AsyncIterable<TextDocument> {
  let text = '';
  let block = 0;
  const next = (part: string): TextDocument => {
    const name = block === 0 ? id : `${id}#${block}`;
    block++;
    return { id: name, text: part };
  };
  for await (const chunk of chunks) {
    text += chunk;
    let start = 0;
    while (text.length - start > length) {
      const end = cutAt(text.slice(start, start + length + 1), length);
      yield next(text.slice(start, start + end));
      start += end;
    }
    text = text.slice(start);
  }
  if (text !== '') yield next(text);
}
