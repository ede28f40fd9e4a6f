import type { RouteContext, Router, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { backendUnderTest, expectClose, gradientsOf, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXPERT_ACTIVATIONS, type ExpertActivation, isGated } from './activation.ts';
import { dispatchPlan } from './dispatch-plan.ts';
import { Experts } from './experts.ts';
import { MoeLayer } from './moe-layer.ts';
import { SharedExpert } from './shared-expert.ts';

beforeAll(testBackend);

/** A router that answers with given indices and weights. */
function fixedRouter(experts: number, indices: number[][], weights: Tensor2D): Router {
  const routing = (): Routing => ({
    indices: tf.tensor2d(indices, undefined, 'int32'),
    weights,
    probabilities: tf.zeros([indices.length, experts]),
    load: tf.zeros([experts], 'int32'),
    loss: tf.scalar(0),
    losses: {},
    statistics: {},
  });
  return {
    kind: 'fixed',
    experts,
    slots: indices[0]!.length,
    parameters: () => [],
    route: routing,
    commit: () => {},
    state: () => ({}),
    loadState: () => {},
  };
}

const context: RouteContext = { balance: 'none', training: false, step: 0 };
const silu = (v: number): number => v / (1 + Math.exp(-v));
const gelu = (v: number): number =>
  0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
const activations: Record<ExpertActivation, (gate: number, up: number) => number> = {
  swiglu: (gate, up) => silu(gate) * up,
  'clamped-glu': (gate, up) => {
    const g = Math.min(gate, 0.05);
    return (Math.min(Math.max(up, -0.05), 0.05) + 1) * (g / (1 + Math.exp(-1.702 * g)));
  },
  geglu: (gate, up) => gelu(gate) * up,
  gelu,
  relu2: v => Math.max(v, 0) ** 2,
};

/** The layer in plain float64 loops, token by token. */
function reference(
  layer: MoeLayer,
  x: number[][],
  indices: number[][],
  weights: number[][],
  host: Record<string, number[]>,
): number[][] {
  const { hidden: H, intermediate: I, activation } = layer.experts;
  const rows = isGated(activation) ? 2 * I : I;
  return x.map((token, t) => {
    const y = new Array<number>(H).fill(0);
    indices[t]!.forEach((e, j) => {
      if (e < 0) return;
      const pre = Array.from({ length: rows }, (_, r) =>
        token.reduce((sum, v, h) => sum + v * host.up![(e * rows + r) * H + h]!, 0),
      );
      const act = Array.from({ length: I }, (_, i) => activations[activation](pre[i]!, pre[I + i] ?? 0));
      for (let h = 0; h < H; h++) {
        const out = act.reduce((sum, a, i) => sum + a * host.down![(e * H + h) * I + i]!, 0);
        y[h]! += layer.scale * weights[t]![j]! * out;
      }
    });
    return y;
  });
}

const cases: Record<string, { experts: number; indices: number[][] }> = {
  'two of four, one dropped': {
    experts: 4,
    indices: [
      [0, 1],
      [1, 3],
      [3, -1],
      [0, 3],
      [1, 0],
    ],
  },
  'an empty expert': { experts: 3, indices: [[0], [0], [2], [0]] },
  'one token': { experts: 4, indices: [[2, 1]] },
  'one expert': { experts: 1, indices: [[0], [0], [0]] },
  'k = E': {
    experts: 3,
    indices: [
      [0, 1, 2],
      [2, 0, 1],
    ],
  },
  padding: {
    experts: 2,
    indices: [
      [-1, -1],
      [1, 0],
      [-1, -1],
    ],
  },
  'more rows of an expert than a tile has': {
    experts: 2,
    indices: Array.from({ length: 19 }, (_, t) => (t % 3 === 0 ? [1, 0] : [0, -1])),
  },
  'nothing routed': { experts: 2, indices: [[-1], [-1]] },
};

describe.each(Object.entries(cases))('%s', (_, { experts, indices }) => {
  const [N, H, I] = [indices.length, 5, 3];
  const rng = new Rng(7);
  const x = Array.from({ length: N }, () => Array.from({ length: H }, () => rng.normal()));
  const weights = indices.map(row => row.map(e => (e < 0 ? 0 : 0.1 + rng.uniform())));

  it.each(EXPERT_ACTIVATIONS)('equals the plain loops with %s, forward and gradient', async activation => {
    const w = tf.tensor2d(weights);
    const make = (gate: Tensor2D) =>
      new MoeLayer({
        router: fixedRouter(experts, indices, gate),
        scale: 1.5,
        experts: new Experts({
          prefix: '',
          experts,
          hidden: H,
          intermediate: I,
          activation,
          limit: 0.05,
          std: 0.4,
          rng: new Rng(3),
        }),
      });
    const layer = make(w);
    const host = {
      up: [...(await layer.experts.up.variable.data())],
      down: [...(await layer.experts.down.variable.data())],
    };
    const golden = reference(layer, x, indices, weights, host).flat();
    const out = layer.forward(tf.tensor3d([x]), context).output;
    await expectClose(out, golden, { name: 'output', tolerance: 1e-5 });

    // the gradient of ⟨cotangent, output⟩, by central differences of the loops
    const cot = Array.from({ length: N * H }, () => rng.normal());
    const inner = (xs: number[][], ws: number[][], h: Record<string, number[]>): number =>
      reference(layer, xs, indices, ws, h)
        .flat()
        .reduce((sum, v, i) => sum + v * cot[i]!, 0);
    const bump = (values: number[], i: number, by: number): number[] =>
      values.map((v, j) => (j === i ? v + by : v));
    const numeric = (values: number[], f: (v: number[]) => number): number[] =>
      values.map((_, i) => (f(bump(values, i, 1e-4)) - f(bump(values, i, -1e-4))) / 2e-4);
    const rowsOf = (flat: number[], width: number): number[][] =>
      Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
    const slots = indices[0]!.length;
    const { gradients } = gradientsOf(
      ({ tokens, gate }) =>
        make(gate as Tensor2D)
          .forward(tokens as Tensor3D, context)
          .output.mul(tf.tensor3d(cot, [1, N, H]))
          .sum(),
      { tokens: tf.tensor3d([x]), gate: w },
    );
    await expectClose(
      gradients.tokens,
      numeric(x.flat(), v => inner(rowsOf(v, H), weights, host)),
      { name: 'grad x', tolerance: 2e-4 },
    );
    const dw = numeric(weights.flat(), v => inner(x, rowsOf(v, slots), host)).map((g, i) =>
      indices.flat()[i]! < 0 ? 0 : g,
    );
    await expectClose(gradients.gate, dw, { name: 'grad weights', tolerance: 2e-4 });
    const { grads: byName } = tf.variableGrads(
      () =>
        layer
          .forward(tf.tensor3d([x]), context)
          .output.mul(tf.tensor3d(cot, [1, N, H]))
          .sum(),
      [layer.experts.up.variable, layer.experts.down.variable],
    );
    await expectClose(
      byName[layer.experts.up.variable.name]!,
      numeric(host.up, v => inner(x, weights, { ...host, up: v })),
      { name: 'grad up', tolerance: 2e-4 },
    );
    await expectClose(
      byName[layer.experts.down.variable.name]!,
      numeric(host.down, v => inner(x, weights, { ...host, down: v })),
      { name: 'grad down', tolerance: 2e-4 },
    );
  });
});

describe('dispatch plan', () => {
  it('sorts slots by expert, stable, dead slots last or absent', async () => {
    const plan = dispatchPlan(
      tf.tensor2d(
        [
          [1, 0],
          [-1, 1],
          [2, 1],
        ],
        undefined,
        'int32',
      ),
      3,
    );
    expect([...(await plan.offsets.data())]).toEqual([0, 1, 4, 5]);
    expect([...(await plan.slotOfRow.data())].slice(0, 5)).toEqual([1, 0, 3, 5, 4]);
    expect([...(await plan.rowOfSlot.data())]).toEqual([1, 0, -1, 2, 4, 3]);
    expect(plan.slotOfRow.size).toBe(backendUnderTest() === 'webgpu' ? 6 : 5);
  });
});

describe('layer', () => {
  const build = (shared: boolean): MoeLayer =>
    new MoeLayer({
      router: fixedRouter(2, [[0], [1]], tf.keep(tf.ones([2, 1]))),
      experts: new Experts({
        prefix: 'a.',
        experts: 2,
        hidden: 4,
        intermediate: 3,
        bias: true,
        rng: new Rng(1),
      }),
      ...(shared
        ? {
            shared: new SharedExpert({
              prefix: 'a.',
              hidden: 4,
              intermediate: 6,
              frozen: true,
              rng: new Rng(2),
            }),
          }
        : {}),
    });

  it('multiplies a gated shared expert by one sigmoid per token', async () => {
    const options = { prefix: 'a.', hidden: 4, intermediate: 6, std: 0.5 };
    const [plain, gated] = [false, true].map(
      gated => new SharedExpert({ ...options, gated, rng: new Rng(2) }),
    );
    const x = new Rng(3).normalTensor([3, 4]) as Tensor2D;
    const [tokens, gate] = [await asArray(x), await gated!.gate!.variable.data<'float32'>()];
    const open = tf.tensor2d(
      Array.from({ length: 3 }, (_, t) => {
        const logit = gate.reduce((sum, w, h) => sum + w * Number(tokens[4 * t + h]), 0);
        return [1 / (1 + Math.exp(-logit))];
      }),
    );
    const wanted = tf.mul(plain!.forward(x), open);
    await expectClose(gated!.forward(x), await asArray(wanted), { tolerance: 1e-6 });
    expect(gated!.parameters().map(p => p.name)).toContain('a.shared_experts.gate.weight');
  });

  it('adds a shared expert and each expert its biases', async () => {
    const [plain, shared] = [build(false), build(true)];
    const x = tf.tensor3d([
      [
        [1, 2, 3, 4],
        [4, 3, 2, 1],
      ],
    ]);
    const before = plain.forward(x, context).output;
    plain.experts.downBias!.variable.assign(
      tf.tensor2d([
        [1, 1, 1, 1],
        [2, 2, 2, 2],
      ]),
    );
    await expectClose(plain.forward(x, context).output.sub(before), [1, 1, 1, 1, 2, 2, 2, 2], {
      tolerance: 1e-6,
    });
    const extra = shared.shared!.forward(x.reshape([2, 4]) as Tensor2D);
    await expectClose(shared.forward(x, context).output.sub(before).reshape([2, 4]), await asArray(extra), {
      tolerance: 1e-5,
    });
    expect(
      shared
        .parameters()
        .filter(p => !p.trainable)
        .map(p => p.name),
    ).toEqual(['a.shared_experts.gate_up_proj.weight', 'a.shared_experts.down_proj.weight']);
  });

  it('keeps no tensor', async () => {
    const layer = build(true);
    const x = tf.ones([1, 2, 4]) as Tensor3D;
    await noLeaks(() =>
      tf.tidy(() => {
        tf.grads((v: Tensor) => layer.forward(v as Tensor3D, context).output)([x]);
      }),
    );
  });

  it('refuses a router of another size', () => {
    expect(
      () =>
        new MoeLayer({
          router: fixedRouter(3, [[0]], tf.ones([1, 1])),
          experts: new Experts({ prefix: '', experts: 2, hidden: 4, intermediate: 3, rng: new Rng(1) }),
        }),
    ).toThrow(/3 experts, the layer has 2/);
  });
});

async function asArray(t: Tensor): Promise<number[]> {
  return [...(await t.data())];
}
