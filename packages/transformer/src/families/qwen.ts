/** What the Qwen families share. */
import type { MoeShape } from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import type { TensorRule } from '../layout/piece.ts';
import { perExpert, renamed } from '../layout/rules.ts';
import { publishedMoe, windows } from './llama-like.ts';

export const QWEN_DEFAULTS = { maxPositions: 32_768 };

/** `sliding_window` counts only if `use_sliding_window`, in the layers that `windowed` names. */
export function qwenWindows(
  file: ConfigFile,
  windowed: (layer: number) => boolean,
): (layer: number) => number | undefined {
  const size = file.optionalInteger('sliding_window', 0) ?? 4096;
  const used = file.flag('use_sliding_window', false);
  return windows(file, used ? size : undefined, layer => used && windowed(layer));
}

/** The dense families: layers from `max_window_layers` on. */
export function upperWindows(file: ConfigFile): (layer: number) => number | undefined {
  const first = file.integer('max_window_layers', 28, 0);
  return qwenWindows(file, layer => layer >= first);
}

/** Softmax over all experts; the gates of the chosen sum to 1 only if `norm_topk_prob`. */
export function qwenMoe(
  file: ConfigFile,
  experts: number,
  k: number,
  more: Partial<MoeShape> = {},
): MoeShape {
  return publishedMoe(file, {
    experts,
    k,
    intermediate: file.integer('moe_intermediate_size'),
    router: { scores: 'softmax', normalise: file.flag('norm_topk_prob', false) },
    more,
  });
}

/** A layer is sparse unless `mlp_only_layers` names it or `decoder_sparse_step` leaves it out. */
export function qwenSparse(file: ConfigFile): (layer: number) => boolean {
  const dense = file.list('mlp_only_layers') ?? [];
  const step = file.integer('decoder_sparse_step', 1);
  return layer => !dense.includes(layer) && (layer + 1) % step === 0;
}

/** A router in `mlp.gate` and experts one by one, or stacked under our own names (v5). */
export const GATED_EXPERTS: readonly TensorRule[] = [
  renamed(/\.mlp\.router\.gate\./, '.mlp.gate.'),
  perExpert({ block: 'mlp.experts', gate: 'gate_proj', up: 'up_proj', down: 'down_proj' }),
];
