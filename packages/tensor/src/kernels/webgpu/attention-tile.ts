/**
 * What the attention shaders share. A workgroup of 256 holds 16 query rows against 16 keys, one score an invocation;
 * the rows of one key head are its query heads' positions side by side (row = position·heads per key head + head), so
 * that keys and values are read once for all of them. Products run over slices of 64 channels in workgroup memory: 16
 * multiplications a value read from memory, 4 bytes each. Nothing of size S² exists.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';

export const WORKGROUP = 256;
/** Query rows and keys of a tile. */
export const SIDE = 16;
const SLICE = 64;
/** Channels a head may have: an invocation accumulates every 16th of them in registers. */
export const MOST_CHANNELS = 512;

export interface AttentionSizes {
  readonly batch: number;
  readonly length: number;
  readonly keys: number;
  readonly heads: number;
  readonly keyHeads: number;
  /** d and e. */
  readonly width: number;
  readonly valueWidth: number;
}

export function attentionSizes(q: TensorInfo, k: TensorInfo, v: TensorInfo): AttentionSizes {
  const [batch, length, heads, width] = q.shape as [number, number, number, number];
  return {
    batch,
    length,
    keys: k.shape[1]!,
    heads,
    keyHeads: k.shape[2]!,
    width,
    valueWidth: v.shape[3]!,
  };
}

/** Whether the shaders take this case; an empty or very wide one goes to the reference. */
export function fitsAttention(sizes: AttentionSizes): boolean {
  const { width, valueWidth } = sizes;
  return Object.values(sizes).every(n => n > 0) && Math.max(width, valueWidth) <= MOST_CHANNELS;
}

/** Constants, tiles, and where things lie. `document` is an expression of row `row`'s document. */
export function attentionDeclarations(
  { heads, keyHeads, width, valueWidth }: AttentionSizes,
  document: string | undefined,
): string {
  return `
const SIDE = ${SIDE}u;
const D = ${width}u;
const V = ${valueWidth}u;
const REP = ${heads / keyHeads}u;
const HIDDEN = -1e30;
var<workgroup> left: array<f32, ${SIDE * (SLICE + 1)}>;
var<workgroup> right: array<f32, ${SIDE * (SLICE + 1)}>;
var<private> batch: u32;
var<private> keyHead: u32;

fn rowPosition(row: u32) -> u32 { return row / REP; }
fn rowHead(row: u32) -> u32 { return keyHead * REP + row % REP; }
/** Row of q, out and dy as an index of a head, and of the normalisers. */
fn headAt(row: u32) -> u32 { return (batch * p.length + rowPosition(row)) * p.heads + rowHead(row); }
fn statAt(row: u32) -> u32 { return (batch * p.heads + rowHead(row)) * p.length + rowPosition(row); }
fn keyAt(key: u32) -> u32 { return (batch * p.keys + key) * p.keyHeads + keyHead; }

fn visible(row: u32, key: u32) -> bool {
  if (row >= p.length * REP || key >= p.keys) { return false; }
  let position = p.keys - p.length + rowPosition(row);
  if (key > position || (p.window > 0u && key + p.window <= position)) { return false; }
  ${
    document === undefined
      ? 'return true;'
      : `let keyDocument = keyDocuments[batch * p.keys + key];
  return keyDocument >= 0 && keyDocument == ${document};`
  }
}`;
}

/** `p.<name>` of every shader here. */
export function attentionUniforms(sizes: AttentionSizes, window: number) {
  const { length, keys, heads, keyHeads } = sizes;
  return { length, keys, heads, keyHeads, window };
}

/** One row of a head in an array: which of its channels the slice wants, 0 outside. */
export interface Operand {
  readonly array: string;
  /** WGSL index of the head that row `r` of the tile is, and whether there is one. */
  readonly head: (r: string) => string;
  readonly inside: (r: string) => string;
}

/** `name` = Σ_c a[i,c]·b[j,c] over `width` channels, i and j being the invocation's row and key of the tile. */
export function tileProduct(name: string, a: Operand, b: Operand, width: 'D' | 'V'): string {
  return `
  var ${name} = 0.0;
  for (var from0 = 0u; from0 < ${width}; from0 += ${SLICE}u) {
    for (var x = lane; x < ${SIDE * SLICE}u; x += WORKGROUP) {
      let c = from0 + x % ${SLICE}u;
      let at = x / ${SLICE}u * ${SLICE + 1}u + x % ${SLICE}u;
      ${loadInto('left[at]', a, width, `x / ${SLICE}u`)}
      ${loadInto('right[at]', b, width, `x / ${SLICE}u`)}
    }
    workgroupBarrier();
    for (var c = 0u; c < min(${SLICE}u, ${width} - from0); c++) {
      ${name} += left[i * ${SLICE + 1}u + c] * right[j * ${SLICE + 1}u + c];
    }
    workgroupBarrier();
  }`;
}

/** sums[m] += Σ_r weight(r)·b[r, own + 16m]: the invocation's channels of a product over the tile's other side. */
export function accumulate(
  sums: string,
  weight: (r: string) => string,
  b: Operand,
  width: 'D' | 'V',
  own: string,
): string {
  return `
  for (var from0 = 0u; from0 < ${width}; from0 += ${SLICE}u) {
    for (var x = lane; x < ${SIDE * SLICE}u; x += WORKGROUP) {
      let c = from0 + x % ${SLICE}u;
      let at = x / ${SLICE}u * ${SLICE + 1}u + x % ${SLICE}u;
      ${loadInto('right[at]', b, width, `x / ${SLICE}u`)}
    }
    workgroupBarrier();
    for (var c = ${own}; c < min(${SLICE}u, ${width} - from0); c += SIDE) {
      var sum = ${sums}[(from0 + c) / SIDE];
      for (var r = 0u; r < SIDE; r++) { sum += ${weight('r')} * right[r * ${SLICE + 1}u + c]; }
      ${sums}[(from0 + c) / SIDE] = sum;
    }
    workgroupBarrier();
  }`;
}

function loadInto(target: string, { array, head, inside }: Operand, width: string, r: string): string {
  return `${target} = 0.0;
      if (c < ${width} && ${inside(r)}) { ${target} = ${array}[(${head(r)}) * ${width} + c]; }`;
}

/** Private sums of a channel each, zeroed. */
export function sumsOf(name: string, channels: number): string {
  return `
  var ${name}: array<f32, ${Math.ceil(channels / SIDE)}>;
  for (var m = 0u; m < ${Math.ceil(channels / SIDE)}u; m++) { ${name}[m] = 0.0; }`;
}

/** The workgroup's row and key tiles: `batch`, `keyHead`, `tileIndex`, and the invocation's `i` and `j`. */
export const PLACE = `
  let tileIndex = group % p.tiles;
  keyHead = group / p.tiles % p.keyHeads;
  batch = group / (p.tiles * p.keyHeads);
  let i = lane / SIDE;
  let j = lane % SIDE;
  let rows = p.length * REP;`;
