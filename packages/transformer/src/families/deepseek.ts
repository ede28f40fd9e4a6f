/** What DeepSeek-V3, Kimi-K2 and GLM-4.5 share: the router and its tensors. */
import type { Architecture, MoeShape } from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import type { TensorRule } from '../layout/piece.ts';
import { renamed, sharedExpert } from '../layout/rules.ts';
import { publishedMoe } from './llama-like.ts';
import { GATED_EXPERTS } from './qwen.ts';

/** Sigmoid scores, a correction bias that only chooses, the best groups, gates normalised and scaled. */
export function sigmoidMoe(
  file: ConfigFile,
  defaults: {
    readonly experts: number;
    readonly groups: number;
    readonly kept: number;
    readonly scale: number;
  },
): MoeShape {
  file.expect('scoring_func', ['sigmoid']);
  file.expect('topk_method', ['noaux_tc']);
  const experts = file.integer('n_routed_experts', defaults.experts);
  const intermediate = file.integer('moe_intermediate_size');
  const shared = file.integer('n_shared_experts', 1, 0);
  const groups = file.integer('n_group', defaults.groups);
  const kept = file.integer('topk_group', defaults.kept);
  if (experts % groups !== 0 || kept > groups) {
    throw file.invalid(`${experts} experts do not form n_group ${groups} of which topk_group ${kept} stay.`);
  }
  return publishedMoe(file, {
    experts,
    k: 8,
    intermediate,
    router: {
      scores: 'sigmoid',
      correction: true,
      groups,
      kept_groups: kept,
      normalise: file.flag('norm_topk_prob', true),
      scale: file.positive('routed_scaling_factor', defaults.scale),
    },
    more: shared === 0 ? {} : { shared: { intermediate: intermediate * shared, gated: false } },
  });
}

/** The first `first_k_dense_replace` layers are dense, of the others every `moe_layer_freq`-th is sparse. */
export function sparseFrom(file: ConfigFile, fallback: number): (layer: number) => boolean {
  const first = file.integer('first_k_dense_replace', fallback, 0);
  file.expect('moe_layer_freq', [1]);
  return layer => layer >= first;
}

export const CORRECTED_EXPERTS: readonly TensorRule[] = [
  ...GATED_EXPERTS,
  renamed(/\.mlp\.router\.state\.correction_bias$/, '.mlp.gate.e_score_correction_bias'),
  sharedExpert('shared_experts'),
];

/** Layers past the last are for the prediction of several tokens at once: kept, not run. */
export function beyondLayers(name: string, { layers }: Architecture): boolean {
  const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
  return layer !== undefined && Number(layer) >= layers.length;
}
