/**
 * The matrix product C = A·B (or C += A·B), float32, any sizes and strides.
 *
 * The blocked scheme of Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", 2008): 6-row tiles
 * of C are computed in registers from 6 rows of A and a panel of B of 256 k, which stays in the L1 cache (16 kB) while
 * 96 rows of A pass it; these (96 kB) stay in the L2 cache while 1024 columns of B (1 MB) pass them. A float of A that
 * comes from memory serves 2·min(n, 1024) flops, one of B 2·m. Each element of C is summed over k in ascending order
 * by blocks of 256, whatever the tile and the number of rows, so results do not depend on which kernel runs.
 *
 * Panels of B are packed when the first rows need them. A is read as it lies if its rows are contiguous, packed
 * otherwise. One row alone is a matrix–vector product that packs nothing. Packed weights are not kept for the next call:
 * for 512 rows packing B is 4 % of the time, about what keeping a second copy of the weights up to date would cost.
 */
import { packA, packB, rowAt } from './gemm-pack.as';
import { row1, rowDots, tile6x16, tile6x8 } from './gemm-tile.as';

const KC: i32 = 256;
const MC: i32 = 96;
const NC: i32 = 1024;
const TILE_BYTES: i32 = 6 * 16 * 4;
/** Added to a packed row of A: at a power of two the rows would compete for the same lines of the cache. */
const SHIFT: i32 = 64;
/** Up to so many rows, packing B costs more than it brings, if its rows are contiguous. */
const DIRECT_ROWS: i32 = 12;

let wide: bool = false;

/** Chooses the 6×16 inner kernel (true) or the 6×8 one; every module that imports this file has its own choice. */
export function setWideTiles(value: bool): void {
  wide = value;
}

/** Bytes of scratch that `gemm` needs. */
export function gemmWork(m: i32, n: i32, k: i32): i32 {
  const kc = min(k, KC), nc = (min(n, NC) + 15) & ~15, mc = min(m, MC);
  return TILE_BYTES + mc * (4 * kc + SHIFT) + 4 * kc * nc;
}

/**
 * A at (i, p): a + i·aRow + p·aCol; B at (p, j): b + p·bRow + j·bCol; C at (i, j): c + i·cRow + 4j. Strides in bytes.
 * `work` is scratch of `gemmWork(m, n, k)` bytes, 16-byte aligned. C must not overlap A or B.
 */
export function gemm(
  m: i32, n: i32, k: i32,
  a: usize, aRow: usize, aCol: usize,
  b: usize, bRow: usize, bCol: usize,
  c: usize, cRow: usize,
  accumulate: bool, work: usize,
): void {
  gemmIndexed(m, n, k, a, aRow, aCol, 0, 0, b, bRow, bCol, 0, c, cRow, 0, accumulate, work);
}

/**
 * The same with tables of numbers (int32; 0: none): of the rows of A or of its k, of the k of B, and of the rows of C,
 * which are then added to. A table of rows of A wants them contiguous.
 */
export function gemmIndexed(
  m: i32, n: i32, k: i32,
  a: usize, aRow: usize, aCol: usize, aIndex: usize, aIndexOfK: usize,
  b: usize, bRow: usize, bCol: usize, bIndex: usize,
  c: usize, cRow: usize, cIndex: usize,
  accumulate: bool, work: usize,
): void {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    if (!accumulate && cIndex == 0) for (let i = 0; i < m; i++) memory.fill(c + <usize>i * cRow, 0, <usize>n << 2);
    return;
  }
  const kcMax = min(k, KC);
  const tile = work;
  const rowsA = tile + TILE_BYTES;
  const packedRow = <usize>(4 * kcMax + SHIFT);
  const panelsB = rowsA + <usize>min(m, MC) * packedRow;
  const direct = bCol == 4 && bIndex == 0 && m <= DIRECT_ROWS;
  const readA = aCol == 4 && aIndexOfK == 0;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      const add = accumulate || pc > 0 || cIndex != 0;
      const indexB: usize = bIndex == 0 ? <usize>0 : bIndex + (<usize>pc << 2);
      const blockB = (bIndex == 0 ? b + <usize>pc * bRow : b) + <usize>jc * bCol;
      if (m == 1 && bIndex == 0 && (bCol == 4 || bRow == 4) && aIndexOfK == 0) {
        const row = rowAt(a, aRow, aIndex, 0) + <usize>pc * aCol;
        if (bCol == 4) {
          memory.fill(panelsB, 0, <usize>nc << 2);
          row1(row, aCol, blockB, bRow, kc, panelsB, nc);
        } else rowDots(row, aCol, blockB, bCol, kc, panelsB, nc);
        copyTile(panelsB, c + (<usize>jc << 2), cRow, cIndex, 0, 1, nc, add);
        continue;
      }
      for (let ic = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic);
        const indexA: usize = aIndex == 0 ? <usize>0 : aIndex + (<usize>ic << 2);
        const blockA = a + (aIndex == 0 ? <usize>ic * aRow : 0) + (aIndexOfK == 0 ? <usize>pc * aCol : 0);
        if (!readA) {
          const depth: usize = aIndexOfK == 0 ? <usize>0 : aIndexOfK + (<usize>pc << 2);
          packA(blockA, aRow, aCol, depth, mc, kc, rowsA, packedRow);
        }
        for (let jr = 0; jr < nc;) {
          const width = wide && nc - jr > 8 ? 16 : 8;
          const columns = min(width, nc - jr);
          const asItLies = direct && columns == width;
          const panel = asItLies ? blockB + (<usize>jr << 2) : panelsB + (<usize>(jr * kc) << 2);
          if (ic == 0 && !asItLies) packB(blockB + <usize>jr * bCol, bRow, bCol, indexB, kc, columns, width, panel);
          tiles(
            readA ? blockA : rowsA, readA ? aRow : packedRow, readA ? indexA : 0, mc,
            panel, asItLies ? bRow : <usize>width << 2, width, columns, kc,
            c + (<usize>jc << 2) + (<usize>jr << 2), cRow, cIndex, ic, add, tile,
          );
          jr += width;
        }
      }
    }
  }
}

/** One column of tiles: all rows of A against one panel. Rows past the last are the last again, and thrown away. */
function tiles(
  a: usize, aRow: usize, aIndex: usize, m: i32, b: usize, step: usize, width: i32, columns: i32, k: i32,
  c: usize, cRow: usize, cIndex: usize, first: i32, accumulate: bool, tile: usize,
): void {
  for (let i = 0; i < m; i += 6) {
    const rows = min(6, m - i), last = m - 1;
    const a0 = rowAt(a, aRow, aIndex, i), a1 = rowAt(a, aRow, aIndex, min(i + 1, last));
    const a2 = rowAt(a, aRow, aIndex, min(i + 2, last)), a3 = rowAt(a, aRow, aIndex, min(i + 3, last));
    const a4 = rowAt(a, aRow, aIndex, min(i + 4, last)), a5 = rowAt(a, aRow, aIndex, min(i + 5, last));
    const whole = rows == 6 && columns == width && cIndex == 0;
    const to = whole ? c + <usize>(first + i) * cRow : tile;
    const toRow = whole ? cRow : 64;
    if (width == 16) tile6x16(a0, a1, a2, a3, a4, a5, b, step, k, to, toRow, whole && accumulate);
    else tile6x8(a0, a1, a2, a3, a4, a5, b, step, k, to, toRow, whole && accumulate);
    if (!whole) copyTile(tile, c, cRow, cIndex, first + i, rows, columns, accumulate);
  }
}

/** Rows of `tile`, 64 bytes apart, to rows first … of C. */
function copyTile(tile: usize, c: usize, cRow: usize, cIndex: usize, first: i32, rows: i32, columns: i32, accumulate: bool): void {
  const bytes = <usize>columns << 2;
  for (let i = first; i < first + rows; i++) {
    const to = rowAt(c, cRow, cIndex, i);
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) {
      const value = v128.load(tile + j);
      v128.store(to + j, accumulate ? f32x4.add(value, v128.load(to + j)) : value);
    }
    for (; j < bytes; j += 4) {
      const value = load<f32>(tile + j);
      store<f32>(to + j, accumulate ? value + load<f32>(to + j) : value);
    }
    tile += 64;
  }
}
