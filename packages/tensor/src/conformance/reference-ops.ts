/** The operations that move, choose and multiply, in terms of coordinates. */
import { broadcastShape, build, coordinatesOf, NdArray, reduce, sizeOf, zip } from './reference.ts';

export const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

export function matMul(a: NdArray, b: NdArray, transposeA = false, transposeB = false): NdArray {
  const [x, y] = [transposeA ? swapLast(a) : a, transposeB ? swapLast(b) : b];
  const batch = broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const [rows, inner, columns] = [x.shape.at(-2)!, x.shape.at(-1)!, y.shape.at(-1)!];
  return build([...batch, rows, columns], c => {
    const [outer, [i, j]] = [c.slice(0, -2), c.slice(-2)];
    return sum(Array.from({ length: inner }, (_, k) => x.at([...outer, i!, k]) * y.at([...outer, k, j!])));
  });
}

function swapLast(x: NdArray): NdArray {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
}

export function transpose(x: NdArray, perm: readonly number[]): NdArray {
  return build(
    perm.map(axis => x.shape[axis]!),
    c => {
      const from: number[] = [];
      perm.forEach((axis, i) => {
        from[axis] = c[i]!;
      });
      return x.at(from);
    },
  );
}

export function reshape(x: NdArray, shape: readonly number[]): NdArray {
  return new NdArray(shape, x.data);
}

/** c with its coordinate along `axis` changed. */
function along(c: readonly number[], axis: number, value: number): number[] {
  return c.map((at, i) => (i === axis ? value : at));
}

export function concat(arrays: readonly NdArray[], axis: number): NdArray {
  const total = sum(arrays.map(a => a.shape[axis]!));
  return build(along(arrays[0]!.shape, axis, total), c => {
    let at = c[axis]!;
    const found = arrays.find(a => {
      if (at < a.shape[axis]!) return true;
      at -= a.shape[axis]!;
      return false;
    });
    return found!.at(along(c, axis, at));
  });
}

export function slice(x: NdArray, begin: readonly number[], size: readonly number[]): NdArray {
  // at() takes an axis of size 1 as broadcast, which a slice of it is
  return build(size, c => x.at(c.map((at, i) => at + begin[i]!)));
}

export function pad(x: NdArray, widths: readonly (readonly [number, number])[], value: number): NdArray {
  return build(
    x.shape.map((size, i) => size + widths[i]![0] + widths[i]![1]),
    c => {
      const from = c.map((at, i) => at - widths[i]![0]);
      return from.every((at, i) => at >= 0 && at < x.shape[i]!) ? x.at(from) : value;
    },
  );
}

export function tile(x: NdArray, reps: readonly number[]): NdArray {
  return build(
    x.shape.map((size, i) => size * reps[i]!),
    c => x.at(c.map((at, i) => at % x.shape[i]!)),
  );
}

export function gather(x: NdArray, indices: NdArray, axis: number, batchDims = 0): NdArray {
  const inserted = indices.shape.slice(batchDims);
  return build([...x.shape.slice(0, axis), ...inserted, ...x.shape.slice(axis + 1)], c => {
    const which = c.slice(axis, axis + inserted.length);
    const index = indices.at([...c.slice(0, batchDims), ...which]);
    return x.at([...c.slice(0, axis), index, ...c.slice(axis + inserted.length)]);
  });
}

export function reverse(x: NdArray, axis: number): NdArray {
  return build(x.shape, c => x.at(along(c, axis, x.shape[axis]! - 1 - c[axis]!)));
}

export function cumsum(x: NdArray, axis: number, exclusive: boolean, reversed: boolean): NdArray {
  return build(x.shape, c => {
    const at = c[axis]!;
    const taken = (i: number): boolean => (reversed ? i > at : i < at) || (!exclusive && i === at);
    const steps = Array.from({ length: x.shape[axis]! }, (_, i) => i).filter(taken);
    return sum(steps.map(i => x.at(along(c, axis, i))));
  });
}

/** The k largest of the last axis, falling; of equal ones the first position first. */
export function topk(x: NdArray, k: number): [values: NdArray, indices: NdArray] {
  const size = x.shape.at(-1)!;
  const shape = [...x.shape.slice(0, -1), k];
  const position = (c: number[]): number => {
    const outer = c.slice(0, -1);
    const order = Array.from({ length: size }, (_, i) => i);
    order.sort((i, j) => x.at([...outer, j]) - x.at([...outer, i]) || i - j);
    return order[c.at(-1)!]!;
  };
  return [build(shape, c => x.at([...c.slice(0, -1), position(c)])), build(shape, position)];
}

export function segmentSum(x: NdArray, ids: NdArray, segments: number): NdArray {
  const rows = ids.data.length;
  return build([segments, ...x.shape.slice(1)], ([segment, ...rest]) =>
    sum(Array.from({ length: rows }, (_, row) => (ids.data[row] === segment ? x.at([row, ...rest]) : 0))),
  );
}

export function gatherND(x: NdArray, indices: NdArray): NdArray {
  const depth = indices.shape.at(-1)!;
  const outer = indices.shape.slice(0, -1);
  return build([...outer, ...x.shape.slice(depth)], c => {
    const tuple = Array.from({ length: depth }, (_, i) => indices.at([...c.slice(0, outer.length), i]));
    return x.at([...tuple, ...c.slice(outer.length)]);
  });
}

export function scatterND(indices: NdArray, updates: NdArray, shape: readonly number[]): NdArray {
  const depth = indices.shape.at(-1)!;
  const rows = coordinatesOf(indices.shape.slice(0, -1));
  return build(shape, c => {
    const hits = rows.filter(row =>
      Array.from({ length: depth }, (_, i) => indices.at([...row, i])).every((at, i) => at === c[i]),
    );
    return sum(hits.map(row => updates.at([...row, ...c.slice(depth)])));
  });
}

export function softmax(x: NdArray): NdArray {
  const last = [x.shape.length - 1];
  const top = reduce(x, last, values => Math.max(...values), true);
  const e = zip((v, m) => Math.exp(v - m))(x, top);
  return zip((v, s) => v / s)(e, reduce(e, last, sum, true));
}

export function logSumExp(x: NdArray, axis: number): NdArray {
  return reduce(x, [axis], values => {
    const top = Math.max(...values);
    return top === -Infinity ? -Infinity : top + Math.log(sum(values.map(v => Math.exp(v - top))));
  });
}

export function isEmpty(x: NdArray): boolean {
  return sizeOf(x.shape) === 0;
}
