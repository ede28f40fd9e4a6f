import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkMoves } from './check-moves.ts';
import * as reference from './reference-ops.ts';

beforeAll(testBackend);

const zeros = (shape: readonly number[]): number[] => shape.map(() => 0);

describe('joining and parting', () => {
  it('concat', async () => {
    const cases: [number[][], number][] = [
      [[[3], [2]], 0],
      [
        [
          [2, 3],
          [4, 3],
          [1, 3],
        ],
        0,
      ],
      [
        [
          [2, 3],
          [2, 1],
        ],
        1,
      ],
      [
        [
          [2, 2, 3],
          [2, 1, 3],
        ],
        1,
      ],
      [
        [
          [1, 2, 1, 2],
          [1, 2, 3, 2],
        ],
        2,
      ],
      [
        [
          [0, 2],
          [3, 2],
        ],
        0,
      ],
      [
        [
          [2, 0],
          [2, 3],
          [2, 0],
        ],
        1,
      ],
      [
        [
          [2, 1, 1, 2, 2],
          [2, 1, 1, 2, 1],
        ],
        4,
      ],
    ];
    for (const [shapes, axis] of cases) {
      await checkMoves(
        `concat [${shapes.join('], [')}]`,
        shapes,
        (...xs) => tf.concat(xs, axis),
        (...xs) => reference.concat(xs, axis),
      );
    }
  });

  it('stack and unstack', async () => {
    for (const [shape, axis] of [
      [[3], 0],
      [[2, 3], 1],
      [[2, 3], 2],
      [[], 0],
      [[0, 2], 0],
    ] as [number[], number][]) {
      const wide = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
      await checkMoves(
        `stack [${shape}] along ${axis}`,
        [shape, shape],
        (...xs) => tf.stack(xs, axis),
        (...xs) =>
          reference.concat(
            xs.map(x => reference.reshape(x, wide)),
            axis,
          ),
      );
    }
    for (const [shape, axis] of [
      [[3], 0],
      [[3, 2], 0],
      [[3, 2], 1],
      [[2, 2, 3], 1],
    ] as [number[], number][]) {
      const rest = shape.filter((_, i) => i !== axis);
      const size = shape.map((n, i) => (i === axis ? 1 : n));
      await checkMoves(
        `unstack [${shape}] along ${axis}`,
        [shape],
        x => tf.unstack(x!, axis),
        x =>
          Array.from({ length: shape[axis]! }, (_, k) =>
            reference.reshape(
              reference.slice(
                x!,
                zeros(shape).map((_z, i) => (i === axis ? k : 0)),
                size,
              ),
              rest,
            ),
          ),
      );
    }
  });

  it('split', async () => {
    const cases: [number[], number | number[], number][] = [
      [[6], 3, 0],
      [[4, 3], 2, 0],
      [[2, 5], [1, 4], 1],
      [[2, 3, 4], [2, 1, 1], 2],
      [[2, 4], [0, 4], 1],
    ];
    for (const [shape, parts, axis] of cases) {
      const sizes = typeof parts === 'number' ? Array<number>(parts).fill(shape[axis]! / parts) : parts;
      await checkMoves(
        `split [${shape}] into ${parts}`,
        [shape],
        x => tf.split(x!, parts, axis),
        x =>
          sizes.map((size, k) => {
            const begin = zeros(shape);
            begin[axis] = reference.sum(sizes.slice(0, k));
            return reference.slice(
              x!,
              begin,
              shape.map((n, i) => (i === axis ? size : n)),
            );
          }),
      );
    }
  });
});
