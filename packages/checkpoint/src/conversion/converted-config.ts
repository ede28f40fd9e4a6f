/** What a `config.json` says of the form that weights are stored in: whether we read it, and what it is after a conversion. */
import { SpectraError } from '@spectra/tensor';
import { FP8_BLOCK } from '../fp8-blocks.ts';
import { isRecord, quote } from '../header.ts';

/** What weights become: a float dtype, FP8 with block scales, MXFP4. */
export type ConversionDtype = 'f32' | 'bf16' | 'f16' | 'fp8' | 'mxfp4';

type Config = Readonly<Record<string, unknown>>;

const TORCH_NAMES = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' } as const;
/** Their routers are no linear layers in transformers, and their published FP8 configurations list no modules. */
const UNLISTED = ['deepseek_v3', 'kimi_k2', 'glm4_moe'];
/** Of `quantization_config.quant_method`. */
const READ = ['fp8', 'mxfp4'];

/** `CONFIG_INVALID` where weights are in a form that is not read (compressed-tensors, GPTQ, AWQ …): they would lose their scales. */
export function checkQuantisation(config: Config, where: string): void {
  const given = config.quantization_config ?? config.compression_config;
  if (!isRecord(given) || Object.keys(given).length === 0) return;
  const method = given.quant_method;
  if (READ.includes(String(method)) || (method === undefined && given.weight_block_size !== undefined))
    return;
  throw new SpectraError('CONFIG_INVALID', {
    message: `its weights are quantised by ${method === undefined ? 'an unnamed method' : quote(method)}, which is not read.`,
    where,
    fix: `Take the model in bf16, in FP8 with block scales or in MXFP4 (quant_method ${READ.join(' or ')}).`,
  });
}

/**
 * The content of a `config.json` that says of its weights that they are stored as `dtype`; as it is without one. `plain` are
 * the modules in layers whose matrix stays as it is where `dtype` is FP8: transformers asks of all others that they are FP8.
 */
export function convertedConfig(
  config: Config,
  dtype: ConversionDtype | undefined,
  plain: readonly string[] = [],
): Config {
  // our own configurations say nothing of how weights are stored: the files do
  if (dtype === undefined || config.model_type === 'spectra') return config;
  const { quantization_config: quantised, compression_config: _, ...rest } = config;
  const method = isRecord(quantised) ? (quantised.quant_method ?? 'fp8') : undefined;
  if (dtype === method) return config;
  if (dtype === 'fp8') {
    const listed = plain.length > 0 && !UNLISTED.includes(String(config.model_type));
    const fp8 = {
      activation_scheme: 'dynamic',
      fmt: 'e4m3',
      ...(listed ? { modules_to_not_convert: ['lm_head', ...plain] } : {}),
      quant_method: 'fp8',
      weight_block_size: FP8_BLOCK,
    };
    return { ...rest, quantization_config: fp8 };
  }
  if (dtype === 'mxfp4') {
    const left = ['model.layers.*.self_attn', 'model.layers.*.mlp.router', 'model.embed_tokens', 'lm_head'];
    return { ...rest, quantization_config: { quant_method: 'mxfp4', modules_to_not_convert: left } };
  }
  // transformers 5 calls it dtype; older files torch_dtype
  const key = config.dtype !== undefined ? 'dtype' : 'torch_dtype';
  if (quantised === undefined && config[key] === TORCH_NAMES[dtype]) return config;
  return { ...rest, [key]: TORCH_NAMES[dtype] };
}
