/** s = ⟨R, X⟩ row by row, and back. */
import { multiple, rowDots } from './rows.as';

export function domainScore(rows: i32, D: i32, a: usize, b: usize, out: usize): void {
  rowDots(rows, D, a, <usize>D << 2, b, <usize>D << 2, out);
}

/** dA = dy·B, dB = dy·A. */
export function domainScoreBackward(rows: i32, D: i32, a: usize, b: usize, dy: usize, dA: usize, dB: usize): void {
  const step = <usize>D << 2;
  for (let i = 0; i < rows; i++) {
    const factor = load<f32>(dy);
    multiple(dA, factor, b, D);
    multiple(dB, factor, a, D);
    a += step; b += step; dA += step; dB += step; dy += 4;
  }
}
