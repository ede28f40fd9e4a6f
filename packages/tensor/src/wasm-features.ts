/** Which of the two kernel builds this engine can run. */

// (module (func (param v128 v128 v128) (result v128) local.get 0 1 2 f32x4.relaxed_madd))
const RELAXED_MADD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32,
  1, 32, 2, 253, 133, 2, 11,
]);

let relaxed: boolean | undefined;

/** Whether WebAssembly relaxed SIMD (fused multiply-add) is available here; decided once. */
export function relaxedSimd(): boolean {
  relaxed ??= WebAssembly.validate(RELAXED_MADD);
  return relaxed;
}
