/** The Brown corpus as plain text. */

/**
 * The words of a tagged file (`The/at jury/nn …`): of each line the items between white space, each cut before its last
 * slash, joined by one space; lines without words are dropped.
 */
export function brownText(tagged: string): string {
  return tagged
    .split('\n')
    .map(line =>
      line
        .split(/\s+/)
        .filter(item => item !== '')
        .map(item => (item.includes('/') ? item.slice(0, item.lastIndexOf('/')) : item))
        .join(' '),
    )
    .filter(line => line !== '')
    .join('\n');
}
