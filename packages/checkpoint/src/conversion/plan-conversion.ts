/** From a model's tensors to those of the same model in another layout of experts, another dtype. */
import { checkValue, SpectraError } from '@spectra/tensor';
import type { SafetensorsDtype } from '../dtypes.ts';
import { FP8_BLOCK, scaleShape } from '../fp8-blocks.ts';
import { quote } from '../header.ts';
import { type ModelStore, storedParts, type TensorStorage } from '../model-store.ts';
import { MXFP4_GROUP } from '../mxfp4.ts';
import type { StreamedSpec } from '../safetensors-writer.ts';
import { type ConversionDtype, checkQuantisation, convertedConfig } from './converted-config.ts';
import { type ExpertLayout, type LaidOutTensor, layOut, sameLayout } from './expert-layout.ts';
import { copied, copiedScales, fp8Encoded, mxfp4Encoded, rounded, scaleParts } from './streams.ts';

export interface ConversionOptions {
  /** Without it every tensor keeps the dtype it has. */
  readonly dtype?: ConversionDtype;
  /** Without it experts keep the layout they have. */
  readonly layout?: ExpertLayout;
}

export interface PlannedTensor {
  readonly spec: StreamedSpec;
  /** The source's file that it, or else its first part, is in. */
  readonly file: string;
}

export interface Conversion {
  readonly tensors: readonly PlannedTensor[];
  /** config.json of the result; the very same object if nothing of it changes. */
  readonly config: Readonly<Record<string, unknown>>;
}

const FLOAT: Readonly<Partial<Record<ConversionDtype, 'F32' | 'BF16' | 'F16'>>> = {
  f32: 'F32',
  bf16: 'BF16',
  f16: 'F16',
};
const FLOATS: readonly SafetensorsDtype[] = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'];

/** A correction bias decides over tiny differences, and a router's state is a sum of small steps: both stay float32. */
const STAYS_FLOAT32 = /e_score_correction_bias$|\.router\.state\./;
/** What published FP8 models quantise: the linear layers of decoder layers but the router's. */
const FP8_WEIGHT =
  /\.layers\.\d+\..*(?<!eh)_proj(_with_mqa)?\.weight$|\.experts\.\d+\.w[123]\.weight$|\.mlp\.experts\.(gate_up|down)_proj$/;
const MXFP4_WEIGHT = /\.mlp\.experts\.(gate_up|down)_proj$/;

/**
 * Plans a conversion without reading a value. What keeps its dtype is copied byte for byte, block scales included;
 * FP8 and MXFP4 are computed anew only from other dtypes. Errors: `VALUE` for a dtype or layout that the model cannot
 * have, `CONFIG_INVALID` for weights in a quantised form that is not read, `CHECKPOINT_MISMATCH` for tensors that do not fit each other or the configuration.
 */
export function planConversion(
  store: ModelStore,
  config: Readonly<Record<string, unknown>>,
  options: ConversionOptions,
): Conversion {
  const { dtype, layout } = options;
  if (dtype !== undefined || layout !== undefined) checkQuantisation(config, store.name);
  checkValue(
    dtype !== 'mxfp4' || config.model_type === 'gpt_oss',
    `MXFP4 is the form of gpt_oss, not of ${quote(config.model_type)}.`,
    'convert',
  );
  const tensors = layout === undefined ? sameLayout(store) : layOut(store, layout, config);
  const planned = tensors.flatMap(tensor => {
    const storages = tensor.parts.map(({ source }) => store.storage(source));
    checkAlike(store, tensor, storages);
    const { file } = storedParts(storages[0]!)[0]!;
    return specsOf(store, tensor, storages[0]!, dtype).map(spec => ({
      spec,
      file: store.stored.has(spec.name) ? store.stored.entry(spec.name).file : file,
    }));
  });
  if (dtype === 'fp8' || dtype === 'mxfp4') {
    const reached = planned.some(({ spec }) => /_scale_inv$|_blocks$/.test(spec.name));
    checkValue(reached, `the model has no weight that can be ${dtype}.`, store.name);
    checkValue(
      dtype !== 'mxfp4' ||
        !planned.some(({ spec }) => spec.dtype.startsWith('F8_') && !spec.name.endsWith('_scales')),
      'what is not experts is FP8 and would stay so, which no MXFP4 model has.',
      store.name,
      'Convert to bf16 first.',
    );
  }
  return { tensors: planned, config: convertedConfig(config, dtype, plainMatrices(planned)) };
}

/** Modules of decoder layers whose matrix is a float. */
function plainMatrices(planned: readonly PlannedTensor[]): string[] {
  return planned.flatMap(({ spec: { name, dtype, shape } }) => {
    const module = /^(.*\.layers\.\d+\..*)\.weight$/.exec(name)?.[1];
    return module === undefined || shape.length !== 2 || dtype.startsWith('F8_') ? [] : [module];
  });
}

/** Parts of one target must be kept alike: their bytes or values are put side by side. */
function checkAlike(store: ModelStore, { name }: LaidOutTensor, storages: readonly TensorStorage[]): void {
  const kind = (storage: TensorStorage): string =>
    `${storage.kind} ${storedParts(storage)
      .map(({ dtype }) => dtype)
      .join()}`;
  const other = storages.find(storage => kind(storage) !== kind(storages[0]!));
  if (other === undefined) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `${quote(name)} would consist of ${kind(storages[0]!)} and ${kind(other)}.`,
    where: store.name,
    fix: 'Convert the dtype first, then the layout.',
  });
}

function specsOf(
  store: ModelStore,
  tensor: LaidOutTensor,
  storage: TensorStorage,
  target: ConversionDtype | undefined,
): StreamedSpec[] {
  const { name, shape, parts } = tensor;
  const dtype = storage.kind === 'plain' ? storage.tensor.dtype : 'F32';
  const float = target === undefined || !FLOATS.includes(dtype) ? undefined : FLOAT[target];
  if (float !== undefined && !(storage.kind === 'plain' && STAYS_FLOAT32.test(name))) {
    if (storage.kind === 'plain' && dtype === float) return [plainCopy(store, tensor, dtype)];
    return [{ name, dtype: float, shape, bytes: () => rounded(store, parts, float) }];
  }
  if (target === 'fp8' && storage.kind !== 'fp8-blocks' && FLOATS.includes(dtype) && FP8_WEIGHT.test(name)) {
    return fp8Specs(store, tensor);
  }
  if (target === 'mxfp4' && storage.kind !== 'mxfp4' && FLOATS.includes(dtype) && MXFP4_WEIGHT.test(name)) {
    return mxfp4Specs(store, tensor);
  }
  switch (storage.kind) {
    case 'plain':
      return [plainCopy(store, tensor, dtype)];
    case 'fp8-blocks':
      return fp8Copy(store, tensor, storage);
    case 'mxfp4':
      return [
        { ...storage.blocks, bytes: () => copied(store, [{ source: storage.blocks.name }]) },
        { ...storage.scales, bytes: () => copiedScales(store, [{ source: storage.scales.name }]) },
      ];
  }
}

function plainCopy(
  store: ModelStore,
  { name, shape, parts }: LaidOutTensor,
  dtype: SafetensorsDtype,
): StreamedSpec {
  return { name, dtype, shape, bytes: () => copied(store, parts) };
}

function fp8Copy(
  store: ModelStore,
  { name, shape, parts }: LaidOutTensor,
  { dtype, scales, block }: Extract<TensorStorage, { kind: 'fp8-blocks' }>,
): StreamedSpec[] {
  const scaled = scaleParts(store, parts, shape.at(-2)!);
  if (scaled === undefined) throw cutsBlocks(name, block[0]);
  const scaleSpec: StreamedSpec = {
    name: `${name}_scale_inv`,
    dtype: scales.dtype,
    shape: scaleShape(shape, block),
    bytes: () => copiedScales(store, scaled),
  };
  return [{ name, dtype, shape, bytes: () => copied(store, parts) }, scaleSpec];
}

function fp8Specs(store: ModelStore, { name, shape, parts }: LaidOutTensor): StreamedSpec[] {
  const block = FP8_BLOCK;
  const rows = shape.at(-2)!;
  const perMatrix = parts.length / (shape.length === 3 ? shape[0]! : 1);
  if (perMatrix > 1 && (rows / perMatrix) % block[0] !== 0) throw cutsBlocks(name, block[0]);
  return [
    { name, dtype: 'F8_E4M3', shape, bytes: () => fp8Encoded(store, parts, block, 'codes') },
    {
      name: `${name}_scale_inv`,
      dtype: 'F32',
      shape: scaleShape(shape, block),
      bytes: () => fp8Encoded(store, parts, block, 'scales'),
    },
  ];
}

function cutsBlocks(name: string, rows: number): SpectraError {
  return new SpectraError('VALUE', {
    message: `gate and up rows of ${quote(name)} would share blocks of ${rows} rows, and with them scales.`,
    where: 'convert',
    fix: 'Convert to bf16 or f32 together with the layout (--dtype bf16).',
  });
}

function mxfp4Specs(store: ModelStore, { name, shape }: LaidOutTensor): StreamedSpec[] {
  const [experts, inputs, outputs] = shape as [number, number, number];
  checkValue(
    shape.length === 3 && inputs % MXFP4_GROUP === 0,
    `${quote(name)} is ${quote(shape)}: MXFP4 needs [experts, in, out] with in a multiple of ${MXFP4_GROUP}.`,
    'convert',
  );
  const groups = [experts, outputs, inputs / MXFP4_GROUP];
  return [
    {
      name: `${name}_blocks`,
      dtype: 'U8',
      shape: [...groups, 16],
      bytes: () => mxfp4Encoded(store, name, 'blocks'),
    },
    { name: `${name}_scales`, dtype: 'U8', shape: groups, bytes: () => mxfp4Encoded(store, name, 'scales') },
  ];
}

/** The reference implementation's order of dtypes in a file. */
const FILE_ORDER: readonly SafetensorsDtype[] = [
  'U64',
  'I64',
  'F64',
  'F32',
  'U32',
  'I32',
  'BF16',
  'F16',
  'U16',
  'I16',
  'F8_E8M0',
  'F8_E4M3',
  'F8_E5M2',
  'I8',
  'U8',
  'BOOL',
];

/** Tensors in the order of the reference implementation: by dtype, wide ones first, then by name. */
export function inFileOrder<T extends { readonly name: string; readonly dtype: SafetensorsDtype }>(
  specs: readonly T[],
): T[] {
  const place = ({ dtype }: T): number => FILE_ORDER.indexOf(dtype);
  return [...specs].sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
