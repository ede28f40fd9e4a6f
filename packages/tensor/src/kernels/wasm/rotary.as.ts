/** Rotary position embedding, half-split. */

/**
 * Turns channel i with channel i + half by the angle of its position, for i < half; channels from 2·half on are
 * copied. x and out [batch, length, heads, width]; cos and sin [batch or 1, length, half] (`tableStep` bytes from one
 * row of the batch to the next). `direction` −1 turns back.
 */
export function rotary(
  x: usize, cos: usize, sin: usize, out: usize,
  batch: i32, length: i32, heads: i32, width: i32, half: i32, tableStep: usize, direction: f32,
): void {
  const row = <usize>width << 2, halfRow = <usize>half << 2;
  const sign = f32x4.splat(direction);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < length; t++) {
      const c = cos + <usize>b * tableStep + <usize>t * halfRow;
      const s = sin + <usize>b * tableStep + <usize>t * halfRow;
      for (let h = 0; h < heads; h++) {
        let i: usize = 0;
        for (; i + 16 <= halfRow; i += 16) {
          const c4 = v128.load(c + i), s4 = f32x4.mul(v128.load(s + i), sign);
          const first = v128.load(x + i), second = v128.load(x + i + halfRow);
          v128.store(out + i, f32x4.sub(f32x4.mul(first, c4), f32x4.mul(second, s4)));
          v128.store(out + i + halfRow, f32x4.add(f32x4.mul(second, c4), f32x4.mul(first, s4)));
        }
        for (; i < halfRow; i += 4) {
          const c1 = load<f32>(c + i), s1 = load<f32>(s + i) * direction;
          const first = load<f32>(x + i), second = load<f32>(x + i + halfRow);
          store<f32>(out + i, first * c1 - second * s1);
          store<f32>(out + i + halfRow, second * c1 + first * s1);
        }
        const turned: usize = halfRow + halfRow;
        if (turned < row) memory.copy(out + turned, x + turned, row - turned);
        x += row; out += row;
      }
    }
  }
}
