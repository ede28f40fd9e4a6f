/** jax-js on WebAssembly: `node jax.ts`. */
import {
  blockUntilReady,
  defaultDevice,
  init,
  type Array as JaxArray,
  jit,
  nn,
  numpy as np,
  valueAndGrad,
} from '@jax-js/jax';
import type { Arrays, HostArray } from '../arrays.ts';
import type { Params } from '../protocol.ts';
import { serve, type Work } from './serve.ts';

await init('wasm');
defaultDevice('wasm');

const arrayOf = ({ shape, data }: HostArray): JaxArray =>
  np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });

/** Its functions use their arguments up: `ref` keeps one for another use. */
function gemm({ transposeA, transposeB }: Params, inputs: Arrays): Work {
  const [a, b] = [arrayOf(inputs.a!), arrayOf(inputs.b!)];
  const product = jit((a: JaxArray, b: JaxArray) =>
    np.matmul(transposeA ? np.transpose(a) : a, transposeB ? np.transpose(b) : b),
  );
  return work(() => ({ c: product(a.ref, b.ref) }), [a, b]);
}

function sinkhorn({ iterations, epsilon }: Params, inputs: Arrays): Work {
  const [x, cotangent] = [arrayOf(inputs.x!), arrayOf(inputs.cotangent!)];
  const [N, E] = x.shape as [number, number];
  const plan = (cost: JaxArray): JaxArray => {
    const M = cost.mul(-1 / (epsilon as number));
    let g = np.zeros([1, E]);
    for (let i = 0; i < (iterations as number); i++) {
      const f = nn.logsumexp(M.ref.add(g), 1, { keepdims: true }).mul(-1);
      g = nn
        .logsumexp(M.ref.add(f), 0, { keepdims: true })
        .mul(-1)
        .add(Math.log(N / E));
    }
    return nn.softmax(M.add(g), 1);
  };
  const forward = jit(plan);
  const both = jit(valueAndGrad((cost: JaxArray, dy: JaxArray) => plan(cost).mul(dy).sum()));
  const run = (): Record<string, JaxArray> => {
    const [value, gradient] = both(x.ref, cotangent.ref) as [JaxArray, JaxArray];
    value.dispose();
    return { 'gradient of x': gradient };
  };
  return work(run, [x, cotangent], () => ({ y: forward(x.ref), ...run() }));
}

function work(
  run: () => Record<string, JaxArray>,
  inputs: readonly JaxArray[],
  outputs: () => Record<string, JaxArray> = run,
): Work {
  return {
    async run() {
      const made = Object.values(run());
      await blockUntilReady(made);
      for (const array of made) array.dispose();
    },
    async outputs() {
      const arrays: Record<string, HostArray> = {};
      for (const [name, array] of Object.entries(outputs())) {
        const shape = [...array.shape];
        arrays[name] = { shape, data: (await array.data()) as Float32Array };
      }
      return arrays;
    },
    dispose: () => {
      for (const array of inputs) array.dispose();
    },
  };
}

await serve(async (kind, params, inputs) => {
  switch (kind) {
    case 'gemm':
      return gemm(params, inputs);
    case 'sinkhorn':
      return sinkhorn(params, inputs);
    default:
      return `no case of the kind ${kind} is written in jax-js`;
  }
});
