/**
 * At most `limit` of n points so that a line through them looks like the line through all: of each bucket the point
 * that spans the largest triangle with the one kept before and the mean of the next bucket. Steinarsson (2013), LTTB.
 * Returns indices, the first and last always among them.
 */
export function largestTriangles(x: readonly number[], y: readonly number[], limit: number): number[] {
  const n = x.length;
  if (n <= limit || limit < 3) return Array.from({ length: n }, (_, i) => i);
  const kept = [0];
  const edge = (bucket: number) => 1 + Math.floor((bucket * (n - 2)) / (limit - 2));
  for (let bucket = 0; bucket < limit - 2; bucket++) {
    const last = kept.at(-1)!;
    const nextEnd = Math.min(n, bucket + 2 <= limit - 2 ? edge(bucket + 2) : n);
    const nextStart = Math.min(edge(bucket + 1), nextEnd - 1);
    let meanX = 0;
    let meanY = 0;
    for (let i = nextStart; i < nextEnd; i++) {
      meanX += x[i]! / (nextEnd - nextStart);
      meanY += y[i]! / (nextEnd - nextStart);
    }
    let best = edge(bucket);
    let largest = -1;
    for (let i = edge(bucket); i < edge(bucket + 1); i++) {
      const area = Math.abs(
        (x[last]! - meanX) * (y[i]! - y[last]!) - (x[last]! - x[i]!) * (meanY - y[last]!),
      );
      if (area > largest) {
        largest = area;
        best = i;
      }
    }
    kept.push(best);
  }
  kept.push(n - 1);
  return kept;
}

/** At most `limit` indices of 0 … n−1 at even distances, both ends among them. */
export function evenly(n: number, limit: number): number[] {
  if (n <= limit) return Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: limit }, (_, i) => Math.round((i * (n - 1)) / (limit - 1)));
}
