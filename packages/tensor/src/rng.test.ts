import { describe, expect, it } from 'vitest';
import { normalQuantile } from './normal-quantile.ts';
import { philox4x32 } from './philox.ts';
import { Rng } from './rng.ts';

describe('philox4x32', () => {
  // known answers of the Random123 library (kat_vectors, philox4x32 10)
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('maps counter %j under key %j', (counter, key, expected) => {
    const out = new Uint32Array(4);
    const [c0, c1, c2, c3] = counter as [number, number, number, number];
    philox4x32(c0, c1, c2, c3, key[0]!, key[1]!, out);
    expect([...out]).toEqual(expected);
  });
});

describe('Rng', () => {
  it('draws the words of the zero key in order', () => {
    const rng = new Rng(0);
    expect(Array.from({ length: 4 }, () => rng.uint32())).toEqual([
      0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8,
    ]);
  });

  it('goes on from a state, also in the middle of a block', () => {
    const rng = new Rng(2 ** 40 + 5);
    for (let i = 0; i < 7; i++) rng.uint32();
    const copy = new Rng(JSON.parse(JSON.stringify(rng.state())));
    const draw = (from: Rng) => [from.normal(), from.integer(10), from.uniform(), from.uint32()];
    expect(draw(copy)).toEqual(draw(rng));
    expect(copy.state()).toEqual(rng.state());
  });

  it('gives streams that depend on name and index only', () => {
    const rng = new Rng(1);
    const first = rng.split('weights', 3).uint32();
    rng.uint32();
    expect(rng.split('weights', 3).uint32()).toBe(first);
    const others = [rng.split('weights', 4), rng.split('weight', 3), new Rng(2).split('weights', 3), rng];
    expect(others.map(other => other.uint32())).not.toContain(first);
  });

  it('has the moments of a uniform and a normal distribution', () => {
    const rng = new Rng(7);
    const n = 40_000;
    const mean = (xs: Float32Array) => xs.reduce((a, b) => a + b, 0) / n;
    const uniform = rng.fillUniform(new Float32Array(n), -1, 3);
    expect(Math.abs(mean(uniform) - 1)).toBeLessThan(4 * Math.sqrt(16 / 12 / n));
    expect(uniform.every(x => x >= -1 && x < 3)).toBe(true);
    const normal = rng.fillNormal(new Float32Array(n), 2, 3);
    const m = mean(normal);
    expect(Math.abs(m - 2)).toBeLessThan(4 * (3 / Math.sqrt(n)));
    const variance = mean(normal.map(x => (x - m) ** 2));
    expect(Math.abs(variance / 9 - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
  });

  it('draws integers, orders and choices without bias', () => {
    const rng = new Rng(3);
    const counts = new Float64Array(3);
    const choices = new Float64Array(4);
    for (let i = 0; i < 6000; i++) {
      counts[rng.integer(3)]!++;
      choices[rng.choice([1, 0, 3, 2])]!++;
    }
    for (const count of counts)
      expect(Math.abs(count - 2000)).toBeLessThan(4 * Math.sqrt(6000 * (1 / 3) * (2 / 3)));
    expect(choices[1]).toBe(0);
    expect(Math.abs(choices[2]! - 3000)).toBeLessThan(4 * Math.sqrt(1500));
    expect([...rng.permutation(9)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('keeps its golden values', () => {
    const rng = new Rng(42).split('golden');
    expect([rng.uint32(), rng.integer(1000), ...rng.fillNormal(new Float32Array(2))]).toMatchInlineSnapshot(`
      [
        1238160744,
        627,
        0.6713823676109314,
        -0.6383636593818665,
      ]
    `);
    expect([...rng.permutation(6)]).toMatchInlineSnapshot(`
      [
        5,
        3,
        2,
        0,
        4,
        1,
      ]
    `);
  });

  it('refuses bad seeds, sizes and weights', () => {
    expect(() => new Rng(-1)).toThrow('seed');
    expect(() => new Rng(0.5)).toThrow('seed');
    expect(() => new Rng(0).integer(0)).toThrow('integer');
    expect(() => new Rng(0).choice([0, 0])).toThrow('every weight is 0');
    expect(() => new Rng(0).choice([1, Number.NaN])).toThrow('weight 1');
    expect(() => new Rng(0).normalTensor([2, -1])).toThrow('no shape');
  });
});

describe('normalQuantile', () => {
  it.each([
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.2, -0.8416212335729143],
    [1e-10, -6.361340902404056],
    [1 - 1e-6, 4.753424308817087],
  ])('of %d is %d', (p, x) => expect(normalQuantile(p)).toBeCloseTo(x, 12 - (x > 4 ? 3 : 0)));
});
