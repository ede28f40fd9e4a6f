/** A float64 array with coordinates: what every operation is, said as plainly as possible, element by element. */

export class NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;

  constructor(shape: readonly number[], data: ArrayLike<number>) {
    this.shape = shape;
    this.data = Float64Array.from(data);
    if (this.data.length !== sizeOf(shape))
      throw new Error(`${this.data.length} values for shape [${shape}]`);
  }

  /** The element at these coordinates; a coordinate along an axis of size 1 is taken as 0, missing axes lead. */
  at(coordinates: readonly number[]): number {
    const own = coordinates.slice(coordinates.length - this.shape.length);
    let index = 0;
    this.shape.forEach((size, i) => {
      index = index * size + (size === 1 ? 0 : own[i]!);
    });
    return this.data[index]!;
  }
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The array whose element at coordinates c is f(c). */
export function build(shape: readonly number[], f: (coordinates: number[]) => number): NdArray {
  return new NdArray(shape, coordinatesOf(shape).map(f));
}

/** All coordinates, row-major. */
export function coordinatesOf(shape: readonly number[]): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, index) => {
    const coordinates: number[] = [];
    for (const size of [...shape].reverse()) {
      coordinates.unshift(index % size);
      index = Math.floor(index / size);
    }
    return coordinates;
  });
}

export function map(x: NdArray, f: (value: number) => number): NdArray {
  return new NdArray(x.shape, x.data.map(f));
}

/** The common shape of broadcast arrays. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(shape => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map(shape => shape[shape.length - rank + i] ?? 1);
    return sizes.find(size => size !== 1) ?? 1;
  });
}

export function zip(f: (...values: number[]) => number): (...arrays: NdArray[]) => NdArray {
  return (...arrays) =>
    build(broadcastShape(...arrays.map(a => a.shape)), c => f(...arrays.map(a => a.at(c))));
}

/** f of the elements along `axes` (in order), for each of the rest. */
export function reduce(
  x: NdArray,
  axes: readonly number[],
  f: (values: number[]) => number,
  keep = false,
): NdArray {
  const outer = x.shape.map((_, i) => i).filter(i => !axes.includes(i));
  const inner = coordinatesOf(axes.map(axis => x.shape[axis]!));
  const reduced = build(
    outer.map(axis => x.shape[axis]!),
    out =>
      f(
        inner.map(within => {
          const c: number[] = [];
          outer.forEach((axis, i) => {
            c[axis] = out[i]!;
          });
          axes.forEach((axis, i) => {
            c[axis] = within[i]!;
          });
          return x.at(c);
        }),
      ),
  );
  return keep
    ? new NdArray(
        x.shape.map((size, i) => (axes.includes(i) ? 1 : size)),
        reduced.data,
      )
    : reduced;
}
