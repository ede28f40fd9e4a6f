/** The way back from the experts' rows to the tokens. Widths need not be a multiple of 4. */

/** out[t] = sum over j of weights[t,j] * rows[rowOfSlot[t,j]], slots in order; empty slots add nothing. */
export function combineRows(rows: usize, rowOfSlot: usize, weights: usize, out: usize, tokens: i32, slots: i32, width: i32): void {
  const bytes = <usize>width << 2;
  const vectors = width & ~3;
  for (let t = 0; t < tokens; t++) {
    const to = out + <usize>t * bytes;
    memory.fill(to, 0, bytes);
    for (let j = 0; j < slots; j++) {
      const at = <usize>(t * slots + j) << 2;
      const row = load<i32>(rowOfSlot + at);
      if (row < 0) continue;
      const weight = load<f32>(weights + at);
      const from = rows + <usize>row * bytes;
      const splat = f32x4.splat(weight);
      for (let i = 0; i < vectors; i += 4) {
        const p = to + (<usize>i << 2);
        v128.store(p, f32x4.add(v128.load(p), f32x4.mul(splat, v128.load(from + (<usize>i << 2)))));
      }
      for (let i = vectors; i < width; i++) {
        const p = to + (<usize>i << 2);
        store<f32>(p, load<f32>(p) + weight * load<f32>(from + (<usize>i << 2)));
      }
    }
  }
}
