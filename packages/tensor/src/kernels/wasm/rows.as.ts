/** Rows by index: gathering them, and summing those of one index. Copies and sums at memory's speed, a row at a time. */

/** out[n, :] = x[indices[n], :], or zeros where the index is outside [0, m). */
export function gatherRows(x: usize, indices: usize, out: usize, m: i32, n: i32, width: i32): void {
  const bytes = <usize>width << 2;
  for (let i = 0; i < n; i++) {
    const index = load<i32>(indices);
    if (<u32>index < <u32>m) memory.copy(out, x + <usize>index * bytes, bytes);
    else memory.fill(out, 0, bytes);
    indices += 4;
    out += bytes;
  }
}

/** out[s, :] = Σ x[n, :] over the n with ids[n] = s, in ascending n; ids outside [0, segments) are left out. */
export function segmentSum(x: usize, ids: usize, out: usize, n: i32, segments: i32, width: i32): void {
  const bytes = <usize>width << 2;
  memory.fill(out, 0, <usize>segments * bytes);
  for (let i = 0; i < n; i++) {
    const id = load<i32>(ids);
    if (<u32>id < <u32>segments) addTo(out + <usize>id * bytes, x, width);
    ids += 4;
    x += bytes;
  }
}

function addTo(out: usize, x: usize, n: i32): void {
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const a = f32x4.add(v128.load(out), v128.load(x)), b = f32x4.add(v128.load(out, 16), v128.load(x, 16));
    v128.store(out, a); v128.store(out, b, 16);
    x += 32; out += 32;
  }
  for (; i < n; i++) { store<f32>(out, load<f32>(out) + load<f32>(x)); x += 4; out += 4; }
}
