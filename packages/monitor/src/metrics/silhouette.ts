/** Whether tokens lie nearer to tokens of their own expert than to those of the next one. Rousseeuw (1987). */
import { checkValue } from '@spectra/tensor';
import { checkLength } from './assignment.ts';

/**
 * Silhouette of each point, (b − a)/max(a, b): a the mean Euclidean distance to the others of its cluster, b the
 * smallest mean distance to another cluster; 0 for a cluster of one. points [n,width]; labels [n] are integers ≥ 0.
 * O(n²·width) time, O(n·clusters) memory. Null unless there are at least 2 clusters and fewer than n.
 */
export function silhouetteSamples(
  points: ArrayLike<number>,
  width: number,
  labels: ArrayLike<number>,
): Float64Array | null {
  const n = labels.length;
  checkValue(width > 0, `width must be positive, got ${width}.`, 'silhouette');
  checkLength(points, n * width, 'points', 'silhouette');
  const names = [...new Set(Array.from(labels))];
  const clusters = names.length;
  if (clusters < 2 || clusters >= n) return null;
  const cluster = Int32Array.from(labels, label => names.indexOf(label));
  const sizes = new Float64Array(clusters);
  for (const c of cluster) sizes[c] = sizes[c]! + 1;

  // sum of distances from each point to each cluster
  const distances = new Float64Array(n * clusters);
  const data = Float64Array.from(points);
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      let squares = 0;
      for (let d = 0; d < width; d++) {
        const difference = data[i * width + d]! - data[j * width + d]!;
        squares += difference * difference;
      }
      const distance = Math.sqrt(squares);
      const toJ = i * clusters + cluster[j]!;
      const toI = j * clusters + cluster[i]!;
      distances[toJ] = distances[toJ]! + distance;
      distances[toI] = distances[toI]! + distance;
    }
  }

  const samples = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const own = cluster[i]!;
    if (sizes[own] === 1) continue;
    const a = distances[i * clusters + own]! / (sizes[own]! - 1);
    let b = Number.POSITIVE_INFINITY;
    for (let c = 0; c < clusters; c++) {
      if (c !== own) b = Math.min(b, distances[i * clusters + c]! / sizes[c]!);
    }
    const larger = Math.max(a, b);
    samples[i] = larger === 0 ? 0 : (b - a) / larger;
  }
  return samples;
}

/** Mean silhouette of all points; null where it does not exist. */
export function silhouette(
  points: ArrayLike<number>,
  width: number,
  labels: ArrayLike<number>,
): number | null {
  const samples = silhouetteSamples(points, width, labels);
  return samples === null ? null : samples.reduce((a, b) => a + b, 0) / samples.length;
}
