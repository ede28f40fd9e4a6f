/** GPT-2's printable stand-ins for bytes, in which byte-level vocabularies are written. */

/** The character of each byte: itself if printable in Latin-1, else the next free one from U+0100 on. */
export function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
}
