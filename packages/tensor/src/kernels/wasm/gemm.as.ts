/**
 * The matrix product C = A·B (or C += A·B), float32, any sizes and strides.
 *
 * The blocked scheme of Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", 2008): a
 * block of B that fits the outer cache and a block of A that fits the L2 cache are packed to panels; 6-row tiles
 * of C are computed in registers. Each element of C is summed over k in ascending order, whatever the tile, so
 * results do not depend on which kernel runs.
 *
 * A at (i, p): a + i·aRow + p·aCol; B at (p, j): b + p·bRow + j·bCol; C at (i, j): c + i·cRow + 4j. Strides in
 * bytes. `work` is scratch of `gemmWork(m, n, k)` bytes, 16-byte aligned. C must not overlap A or B.
 */
import { packA, packB } from './gemm-pack.as';
import { row1, tile6x16, tile6x8 } from './gemm-tile.as';

const KC: i32 = 256;
const MC: i32 = 96;
const NC: i32 = 1024;
const TILE_BYTES: i32 = 6 * 16 * 4;
/** Up to so many rows, packing B costs more than it brings. */
const DIRECT_ROWS: i32 = 12;

let wide: bool = false;

/** Chooses the 6×16 inner kernel (true) or the 6×8 one; every module that imports this file has its own choice. */
export function setWideTiles(value: bool): void {
  wide = value;
}

/** Bytes of scratch that `gemm` needs. */
export function gemmWork(m: i32, n: i32, k: i32): i32 {
  const kc = min(k, KC), nc = (min(n, NC) + 7) & ~7, mc = (min(m, MC) + 5) / 6 * 6;
  return TILE_BYTES + 4 * kc * (nc + mc);
}

export function gemm(
  m: i32, n: i32, k: i32,
  a: usize, aRow: usize, aCol: usize,
  b: usize, bRow: usize, bCol: usize,
  c: usize, cRow: usize,
  accumulate: bool, work: usize,
): void {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    if (!accumulate) for (let i = 0; i < m; i++) memory.fill(c + <usize>i * cRow, 0, <usize>n << 2);
    return;
  }
  const kcMax = min(k, KC);
  const tile = work;
  const panelsA = tile + TILE_BYTES;
  const panelsB = panelsA + (<usize>((min(m, MC) + 5) / 6 * 6 * kcMax) << 2);
  const direct = bCol == 4 && m <= DIRECT_ROWS;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      const blockB = b + <usize>pc * bRow + <usize>jc * bCol;
      if (m == 1 && bCol == 4) {
        memory.fill(panelsB, 0, <usize>nc << 2);
        row1(a + <usize>pc * aCol, aCol, blockB, bRow, kc, panelsB, nc);
        copyTile(panelsB, c + (<usize>jc << 2), cRow, 1, nc, accumulate || pc > 0);
        continue;
      }
      const whole = nc & ~7;
      // read as it lies, B still has its last, partly filled panel packed: reading past a row could leave the memory
      const packedFrom = direct ? whole : 0;
      packB(blockB + <usize>packedFrom * bCol, bRow, bCol, kc, nc - packedFrom, panelsB + <usize>(packedFrom * kc << 2));
      for (let ic = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic);
        packA(a + <usize>ic * aRow + <usize>pc * aCol, aRow, aCol, mc, kc, panelsA);
        const blockC = c + <usize>ic * cRow + (<usize>jc << 2);
        let jr = 0;
        while (jr < nc) {
          const two = wide && jr + 8 < nc;
          const columns = min(two ? 16 : 8, nc - jr);
          const packed = panelsB + (<usize>(jr * kc) << 2);
          const isDirect = jr < packedFrom;
          const nextDirect = jr + 8 < packedFrom;
          if (two && isDirect != nextDirect) {
            // the packed rest stands alone
            tiles(panelsA, blockB + <usize>jr * 4, 0, bRow, false, mc, kc, blockC + (<usize>jr << 2), cRow, 8, accumulate || pc > 0, tile);
            jr += 8;
            continue;
          }
          const p = isDirect ? blockB + (<usize>jr << 2) : packed;
          const second = isDirect ? p + 32 : p + (<usize>kc << 5);
          tiles(panelsA, p, second, isDirect ? bRow : 32, two, mc, kc, blockC + (<usize>jr << 2), cRow, columns, accumulate || pc > 0, tile);
          jr += two ? 16 : 8;
        }
      }
    }
  }
}

/** One column of tiles: every panel of A against 8 or 16 columns of B. */
function tiles(
  panelA: usize, b: usize, b2: usize, step: usize, two: bool,
  m: i32, k: i32, c: usize, cRow: usize, columns: i32, accumulate: bool, tile: usize,
): void {
  const full = two ? 16 : 8;
  for (let i = 0; i < m; i += 6) {
    const rows = min(6, m - i);
    if (rows == 6 && columns == full) {
      if (two) tile6x16(panelA, b, b2, step, k, c, cRow, accumulate);
      else tile6x8(panelA, b, step, k, c, cRow, accumulate);
    } else {
      if (two) tile6x16(panelA, b, b2, step, k, tile, 64, false);
      else tile6x8(panelA, b, step, k, tile, 64, false);
      copyTile(tile, c, cRow, rows, columns, accumulate);
    }
    panelA += <usize>k * 24;
    c += 6 * cRow;
  }
}

function copyTile(tile: usize, c: usize, cRow: usize, rows: i32, columns: i32, accumulate: bool): void {
  const bytes = <usize>columns << 2;
  for (let i = 0; i < rows; i++) {
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) {
      const value = v128.load(tile + j);
      v128.store(c + j, accumulate ? f32x4.add(value, v128.load(c + j)) : value);
    }
    for (; j < bytes; j += 4) {
      const value = load<f32>(tile + j);
      store<f32>(c + j, accumulate ? value + load<f32>(c + j) : value);
    }
    tile += 64;
    c += cRow;
  }
}
