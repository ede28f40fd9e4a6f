/** What a case starts from, the same numbers for every side: drawn here, read by all. */
import { Rng } from '@spectra/tensor';
import type { Arrays, HostArray } from './arrays.ts';
import type { Params } from './protocol.ts';
import { opInputs } from './sides/kinds/ops.ts';

/** Sizes by name. */
type Sizes = Readonly<Record<string, number>>;

export function inputsOf(kind: string, params: Params): Arrays {
  const rng = new Rng(1);
  const p = params as Sizes;
  switch (kind) {
    case 'op':
      return opInputs(rng);
    case 'gemm':
      return {
        a: normal(rng, params.transposeA ? [p.k!, p.m!] : [p.m!, p.k!]),
        b: normal(rng, params.transposeB ? [p.n!, p.k!] : [p.k!, p.n!]),
      };
    case 'sinkhorn':
      return withCotangent(rng, { x: uniform(rng, [p.N!, p.E!]) });
    case 'rmsNorm':
      return withCotangent(rng, { x: normal(rng, [p.N!, p.H!]), weight: normal(rng, [p.H!]) });
    case 'swiglu':
      return { x: normal(rng, [p.N!, 2 * p.I!]), cotangent: normal(rng, [p.N!, p.I!]) };
    case 'crossEntropy': {
      const targets = integers(rng, [p.N!], p.V!);
      return { x: normal(rng, [p.N!, p.V!]), targets, cotangent: normal(rng, [p.N!]) };
    }
    case 'causalAttention':
      return withCotangent(rng, { x: normal(rng, [p.B!, p.S!, p.heads!, p.d!]) });
    case 'rotary': {
      const [cos, sin] = [normal(rng, [1, p.S!, p.d! / 2]), normal(rng, [1, p.S!, p.d! / 2])];
      return withCotangent(rng, { x: normal(rng, [p.B!, p.S!, p.heads!, p.d!]), cos, sin });
    }
    case 'gatherRows':
      return {
        x: normal(rng, [p.V!, p.H!]),
        ids: integers(rng, [p.N!], p.V!),
        cotangent: normal(rng, [p.N!, p.H!]),
      };
    case 'gru':
      return { ...tokens(rng, p), cotangent: normal(rng, [p.B!, p.S!, p.G!]), ...gruWeights(rng, params) };
    case 'router':
      return {
        ...tokens(rng, p),
        cotangent: normal(rng, [p.B! * p.S!, p.k!]),
        ...routerWeights(rng, params),
      };
    case 'moe-layer':
      return withCotangent(rng, {
        ...tokens(rng, p),
        ...routerWeights(rng, params),
        ...expertWeights(rng, p),
      });
    case 'train-step':
      return {
        ids: integers(rng, [p.microBatches! * p.batch!, p.length!], p.V!),
        targets: integers(rng, [p.microBatches! * p.batch!, p.length!], p.V!),
        ...modelWeights(rng, params),
      };
    case 'decode':
      return {
        prompt: integers(rng, [1, p.context!], p.V!),
        token: integers(rng, [1, 1], p.V!),
        ...modelWeights(rng, params),
        ...Object.assign(
          {},
          ...Array.from({ length: p.layers! }, (_, i) => ({
            [`layers.${i}.state_mean`]: normal(rng, [p.E!, p.D!], 0.1),
            [`layers.${i}.state_price`]: normal(rng, [p.E!], 0.05),
          })),
        ),
      };
    default:
      throw new Error(`there are no inputs for cases of the kind ${kind}.`);
  }
}

function modelWeights(rng: Rng, params: Params): Arrays {
  const { H, V, layers } = params as Sizes;
  const weights: Record<string, HostArray> = {
    'model.embed_tokens.weight': normal(rng, [V!, H!], 0.05),
    'model.norm.weight': ones(H!),
  };
  for (let i = 0; i < layers!; i++) {
    const prefix = `model.layers.${i}.`;
    for (const name of ['q', 'k', 'v', 'o']) {
      weights[`${prefix}self_attn.${name}_proj.weight`] = normal(rng, [H!, H!], 1 / Math.sqrt(3 * H!));
    }
    weights[`${prefix}input_layernorm.weight`] = ones(H!);
    weights[`${prefix}post_attention_layernorm.weight`] = ones(H!);
    for (const [name, array] of Object.entries(routerWeights(rng, params))) {
      weights[`${prefix}mlp.router.${name}`] = array;
    }
    for (const [name, array] of Object.entries(expertWeights(rng, params as Sizes))) {
      weights[`${prefix}mlp.${name}`] = array;
    }
  }
  return weights;
}

function gruWeights(rng: Rng, params: Params): Arrays {
  const { H, G } = params as Sizes;
  const width = params.recurrence === 'grid' ? H! + G! : H!;
  const bound = 1 / Math.sqrt(G!);
  return {
    'gru.weight_ih': uniform(rng, [3 * G!, width], bound),
    'gru.weight_hh': uniform(rng, [3 * G!, G!], bound),
    'gru.bias_ih': uniform(rng, [3 * G!], bound),
    'gru.bias_hh': uniform(rng, [3 * G!], bound),
  };
}

function routerWeights(rng: Rng, params: Params): Arrays {
  const { H, G, E, D } = params as Sizes;
  return {
    ...gruWeights(rng, params),
    'projection.weight': uniform(rng, [E! * D!, G!], 1 / Math.sqrt(G!)),
    'expression.weight': normal(rng, [E! * D!, H!], 1 / Math.sqrt(H!)),
  };
}

function expertWeights(rng: Rng, { E, H, I }: Sizes): Arrays {
  return {
    'experts.gate_up_proj': normal(rng, [E!, 2 * I!, H!], 0.03),
    'experts.down_proj': normal(rng, [E!, H!, I!], 0.03),
  };
}

const tokens = (rng: Rng, { B, S, H }: Sizes): Arrays => ({ x: normal(rng, [B!, S!, H!]) });

const withCotangent = (rng: Rng, arrays: Arrays): Arrays => ({
  ...arrays,
  cotangent: normal(rng, arrays.x!.shape),
});

function filled(shape: readonly number[], draw: () => number): HostArray {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw) };
}

const normal = (rng: Rng, shape: readonly number[], deviation = 1): HostArray =>
  filled(shape, () => rng.normal(0, deviation));
const uniform = (rng: Rng, shape: readonly number[], bound = 1): HostArray =>
  filled(shape, () => rng.uniform(-bound, bound));
const ones = (size: number): HostArray => filled([size], () => 1);

function integers(rng: Rng, shape: readonly number[], below: number): HostArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Int32Array.from({ length: size }, () => rng.integer(below)) };
}
