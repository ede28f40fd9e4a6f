/**
 * The matrix product of a workgroup, for shaders that say where its operands lie and what becomes of its result.
 *
 * 256 invocations hold a tile of 16T × 16T sums, T × T each in registers; slices along the inner axis go through
 * workgroup memory, so that a value read from memory is used 16T times: 16 multiplications a byte at T = 4. T follows
 * the number of tiles: a small product keeps more of the device busy with smaller ones, and a product of one row (a token
 * decoded) takes the longest slices, so that it waits for few of them. Each sum is one chain of additions along the inner
 * axis: a row's result depends neither on the tile nor on the rows beside it.
 */

const WORKGROUP = 256;
/** Floats of both tiles of a slice along the inner axis: as long a slice as they allow. */
const TILE_FLOATS = 2048;
/** Workgroups that keep a device busy. */
const ENOUGH_TILES = 64;

/** An element of an operand: its WGSL expression, and the index along which memory is contiguous. */
export interface GemmOperand {
  /** Of `m` and `k`, or of `k` and `n` (u32), within bounds. */
  readonly value: string;
  readonly along: 'm' | 'n' | 'k';
}

export interface GemmTile {
  readonly a: GemmOperand;
  readonly b: GemmOperand;
  /** Statements that use `sum`, element (`m`, `n`) of the product. */
  readonly store: string;
  /** Statements before the product: they set `mFirst`, `mEnd`, `nFirst`, `nEnd`, `kFirst` and `kEnd` (u32). */
  readonly bounds: string;
  readonly declarations?: string;
}

/** The side 16T of the tiles for `count` products of m × n. */
export function tileSide(m: number, n: number, count: number): number {
  const fits = [64, 32].find(
    side => Math.ceil(m / side) * Math.ceil(n / side) * count >= ENOUGH_TILES && Math.min(m, n) > side / 2,
  );
  return fits ?? 16;
}

/** The parts of a `Shader` with one workgroup a tile. */
export function gemmShader({ a, b, store, bounds, declarations = '' }: GemmTile, side: number) {
  const per = side / 16;
  const slice = TILE_FLOATS / (2 * side);
  const list = Array.from({ length: per }, (_, i) => i);
  const place = (along: string, own: string): string =>
    along === 'k'
      ? `let s = cell % ${slice}u; let ${own}0 = cell / ${slice}u;`
      : `let s = cell / SIDE; let ${own}0 = cell % SIDE;`;
  return {
    workgroupSize: WORKGROUP,
    declarations: `${declarations}
const SIDE = ${side}u;
var<workgroup> aTile: array<f32, ${slice * (side + 1)}>;
var<workgroup> bTile: array<f32, ${slice * (side + 1)}>;`,
    body: `${bounds}
  let i = lane / 16u;
  let j = lane % 16u;
  ${list.flatMap(u => list.map(v => `var sum${u}${v} = 0.0;`)).join(' ')}
  for (var k0 = kFirst; k0 < kEnd; k0 += ${slice}u) {
    for (var cell = lane; cell < ${slice}u * SIDE; cell += WORKGROUP) {
      ${place(a.along, 'm')}
      let m = mFirst + m0;
      let k = k0 + s;
      var value = 0.0;
      if (m < mEnd && k < kEnd) { value = ${a.value}; }
      aTile[s * (SIDE + 1u) + m0] = value;
    }
    for (var cell = lane; cell < ${slice}u * SIDE; cell += WORKGROUP) {
      ${place(b.along, 'n')}
      let n = nFirst + n0;
      let k = k0 + s;
      var value = 0.0;
      if (n < nEnd && k < kEnd) { value = ${b.value}; }
      bTile[s * (SIDE + 1u) + n0] = value;
    }
    workgroupBarrier();
    for (var s = 0u; s < min(${slice}u, kEnd - k0); s++) {
      ${list.map(u => `let a${u} = aTile[s * (SIDE + 1u) + i + ${16 * u}u];`).join(' ')}
      ${list.map(v => `let b${v} = bTile[s * (SIDE + 1u) + j + ${16 * v}u];`).join(' ')}
      ${list.flatMap(u => list.map(v => `sum${u}${v} = fma(a${u}, b${v}, sum${u}${v});`)).join(' ')}
    }
    workgroupBarrier();
  }
  ${list
    .flatMap(u =>
      list.map(
        v => `{
    let m = mFirst + i + ${16 * u}u;
    let n = nFirst + j + ${16 * v}u;
    let sum = sum${u}${v};
    if (m < mEnd && n < nEnd) { ${store} }
  }`,
      ),
    )
    .join('\n  ')}`,
  } as const;
}
