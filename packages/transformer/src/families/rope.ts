/** The rotary keys of a `config.json`, published style or v5, which says the same in `rope_parameters`. */
import type { RotaryShape } from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import { type RopeScaling, ropeScalingSchema } from '../rope-scaling.ts';

export interface RopeOptions {
  /** Channels of a head. */
  readonly headDim: number;
  readonly theta?: number;
  /** The part of a head that is turned. */
  readonly share?: number;
  /** Which entry of `rope_parameters` counts, where there is one per layer type. */
  readonly layerType?: string;
}

/** Errors: `CONFIG_INVALID` for a method that is not known or lacks a key. */
export function readRope(file: ConfigFile, options: RopeOptions): RotaryShape {
  const { headDim, layerType = '' } = options;
  const parameters = file.part('rope_parameters');
  const nested = parameters?.has(layerType) ? parameters.part(layerType) : parameters;
  const old = file.part('rope_scaling');
  const theta = (nested ?? file).optionalNumber('rope_theta') ?? file.optionalNumber('rope_theta');
  const share =
    nested?.optionalNumber('partial_rotary_factor') ??
    file.optionalNumber('partial_rotary_factor') ??
    options.share ??
    1;
  const width = Math.floor(headDim * share);
  if (width < 2 || width % 2 === 1) {
    throw file.invalid(`rotary positions turn pairs: ${width} of ${headDim} channels must be even.`);
  }
  const rope = nested ?? old;
  return {
    width,
    theta: theta ?? old?.optionalNumber('rope_theta') ?? options.theta ?? 10_000,
    scaling: rope === undefined ? undefined : ropeScaling(rope, file),
  };
}

function ropeScaling(rope: ConfigFile, file: ConfigFile): RopeScaling | undefined {
  const type = rope.value('rope_type') ?? rope.value('type') ?? 'default';
  if (type === 'default') return undefined;
  const longest = file.optionalInteger('max_position_embeddings');
  const original =
    rope.optionalInteger('original_max_position_embeddings') ??
    file.optionalInteger('original_max_position_embeddings') ??
    longest;
  const named = type === 'su' ? 'longrope' : type; // its name in older files
  const keys: Readonly<Record<string, unknown>> =
    named === 'longrope'
      ? { factor: longest === undefined || original === undefined ? 1 : longest / original }
      : { factor: rope.value('factor') };
  const wanted: Readonly<Record<string, readonly string[]>> = {
    linear: [],
    llama3: ['low_freq_factor', 'high_freq_factor'],
    yarn: ['beta_fast', 'beta_slow', 'truncate', 'attention_factor', 'mscale', 'mscale_all_dim'],
    longrope: ['short_factor', 'long_factor', 'attention_factor'],
  };
  const own = wanted[String(named)];
  if (own === undefined) {
    const known = ['default', ...Object.keys(wanted)].join(', ');
    throw rope.invalid(`rope_type ${JSON.stringify(type)} is none of ${known}.`);
  }
  const parsed = ropeScalingSchema.safeParse({
    rope_type: named,
    ...keys,
    ...(named === 'linear' ? {} : { original_max_position_embeddings: original }),
    ...Object.fromEntries(own.map(key => [key, rope.value(key)])),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw rope.invalid(`${issue!.path.join('.')}: ${issue!.message}.`);
}
