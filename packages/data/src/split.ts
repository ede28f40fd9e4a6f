/** Which documents are held out: decided by the document's own id, so that it does not change as files are added. */

/** A well-mixed 32-bit hash of UTF-16 units: FNV-1a and MurmurHash3's finaliser. */
export function hash32(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** True for a `share` of all ids. Growing the share keeps what was held out before. */
export function isHeldOut(id: string, share: number, seed = 0): boolean {
  return hash32(id, seed) < share * 2 ** 32;
}
