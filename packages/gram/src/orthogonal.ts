/** Orthogonal initialisation (Saxe, McClelland & Ganguli 2014). */
import { checkShape, checkValue, type Rng } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The semi-orthogonal matrix [rows,cols] of a Gaussian one: Q of its QR decomposition with R's diagonal positive (of the
 * transpose where it is wide), times `gain`. The same as `torch.nn.init.orthogonal_` of that Gaussian. In float64 on the
 * host, on WebGPU by Gram–Schmidt in float32 on the device. For initialisation: no gradient. `gaussian` stays the caller's,
 * who owns the result too.
 *
 * @throws SHAPE unless `gaussian` is a matrix
 */
export function orthogonal(gaussian: Tensor2D, gain = 1): Tensor2D {
  checkShape(gaussian.shape, [-1, -1], 'orthogonal');
  const [rows, cols] = gaussian.shape;
  if (tf.getBackend() === 'webgpu') return gramSchmidt(gaussian, gain);
  return tf.tensor2d(orthogonalValues(gaussian.dataSync(), rows, cols, gain), [rows, cols]);
}

/**
 * `orthogonal` of rows·cols normal numbers drawn from `rng`, the same on every backend; zeros of a blank one. The caller
 * owns the result.
 */
export function orthogonalFromRng(rng: Rng, rows: number, cols: number, gain = 1): Tensor2D {
  if (rng.blank) return tf.fill([rows, cols], 0);
  const gaussian = Float64Array.from({ length: rows * cols }, () => rng.normal());
  return tf.tensor2d(orthogonalValues(gaussian, rows, cols, gain), [rows, cols]);
}

/** The plain-array form: row-major values in, float32 values of the semi-orthogonal matrix out. Householder, float64. */
export function orthogonalValues(
  gaussian: ArrayLike<number>,
  rows: number,
  cols: number,
  gain = 1,
): Float32Array {
  checkValue(
    gaussian.length === rows * cols,
    `expected ${rows}·${cols} values, got ${gaussian.length}.`,
    'orthogonal',
  );
  const wide = rows < cols;
  const m = Math.max(rows, cols);
  const n = Math.min(rows, cols);
  // each long vector contiguous: columns of a tall matrix, rows of a wide one
  const vectors = new Float64Array(n * m);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < m; i++) vectors[j * m + i] = gaussian[wide ? j * cols + i : i * cols + j]!;
  }
  const { reflectors, signs } = householder(vectors, m, n);
  const out = new Float32Array(rows * cols);
  const q = new Float64Array(m);
  for (let j = 0; j < n; j++) {
    q.fill(0);
    q[j] = 1;
    for (let k = Math.min(j, n - 1); k >= 0; k--) reflect(reflectors, k, m, q, 0);
    for (let i = 0; i < m; i++) out[wide ? j * cols + i : i * cols + j] = gain * signs[j]! * q[i]!;
  }
  return out;
}

/** Reduces the vectors to R; reflector k is the unit vector in `reflectors`[k·m + k …]. signs: of R's diagonal. */
function householder(
  a: Float64Array,
  m: number,
  n: number,
): { reflectors: Float64Array; signs: Float64Array } {
  const reflectors = new Float64Array(n * m);
  const signs = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    let norm = 0;
    for (let i = k; i < m; i++) norm = Math.hypot(norm, a[k * m + i]!);
    const head = a[k * m + k]!;
    // R_kk = −sign(head)·norm: the reflector adds numbers of one sign
    const diagonal = head >= 0 ? -norm : norm;
    signs[k] = diagonal >= 0 ? 1 : -1;
    let length = 0;
    for (let i = k; i < m; i++) {
      const value = i === k ? head - diagonal : a[k * m + i]!;
      reflectors[k * m + i] = value;
      length += value * value;
    }
    length = Math.sqrt(length);
    if (length > 0) for (let i = k; i < m; i++) reflectors[k * m + i]! /= length;
    for (let j = k; j < n; j++) reflect(reflectors, k, m, a, j * m);
  }
  return { reflectors, signs };
}

/** x ← x − 2 v⟨v, x⟩ with v reflector k. */
function reflect(reflectors: Float64Array, k: number, m: number, x: Float64Array, offset: number): void {
  let dot = 0;
  for (let i = k; i < m; i++) dot += reflectors[k * m + i]! * x[offset + i]!;
  for (let i = k; i < m; i++) x[offset + i]! -= 2 * dot * reflectors[k * m + i]!;
}

/** Q with R's diagonal positive, vector by vector, each made orthogonal to those before twice. */
function gramSchmidt(gaussian: Tensor2D, gain: number): Tensor2D {
  const [rows, cols] = gaussian.shape;
  const wide = rows < cols;
  return tf.tidy(() => {
    const vectors: Tensor2D = wide ? gaussian : tf.transpose(gaussian);
    const [n, m] = vectors.shape;
    let basis: Tensor2D | undefined;
    for (let j = 0; j < n; j++) {
      const before: Tensor2D | undefined = basis;
      const next: Tensor2D = tf.tidy(() => {
        let v: Tensor2D = tf.slice(vectors, [j, 0], [1, m]);
        for (let pass = 0; pass < 2; pass++) {
          if (before !== undefined) v = tf.sub(v, tf.matMul(tf.matMul(v, tf.transpose(before)), before));
          v = tf.div(v, tf.sqrt(tf.sum(tf.square(v))));
        }
        return before === undefined ? v : tf.concat([before, v], 0);
      });
      before?.dispose();
      basis = next;
    }
    const q = tf.mul(basis!, gain) as Tensor2D;
    return wide ? q : tf.transpose(q);
  });
}
