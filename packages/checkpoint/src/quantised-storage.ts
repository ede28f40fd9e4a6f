/** Recognises codes and scales of quantised weights by their names, and checks that they belong together. */
import { SpectraError } from '@spectra/tensor';
import { type BlockSize, scaleShape } from './fp8-blocks.ts';
import { quote } from './header.ts';
import type { TensorStorage } from './model-store.ts';
import type { StoredEntry, StoredTensors } from './tensor-store.ts';
import { tensorPlace } from './tensor-store.ts';

interface Found {
  /** The logical name. */
  readonly name: string;
  readonly storage: Exclude<TensorStorage, { kind: 'plain' }>;
}

const SCALES = '_scale_inv';
const BLOCKS = '_blocks';

/** The name of the scales of FP8 codes. */
export const scalesName = (codes: string): string => codes + SCALES;
/** The name of the blocks of an MXFP4 tensor. */
export const blocksName = (name: string): string => name + BLOCKS;

const FLOATS: readonly string[] = ['F32', 'BF16', 'F16', 'F8_E8M0'];

/** `X_scale_inv` and its `X`, a matrix or a stack of them; undefined for every other name. */
export function fp8Storage(stored: StoredTensors, name: string, block: BlockSize): Found | undefined {
  if (!name.endsWith(SCALES)) return undefined;
  const base = name.slice(0, -SCALES.length);
  if (!stored.has(base)) throw mismatch(stored, name, `the weight ${quote(base)} that it scales is missing.`);
  const [codes, scales] = [stored.entry(base), stored.entry(name)];
  const { dtype } = codes;
  if (dtype !== 'F8_E4M3' && dtype !== 'F8_E5M2') {
    throw mismatch(stored, base, `it is ${dtype}, but has block scales: F8_E4M3 or F8_E5M2 is needed.`);
  }
  if (!FLOATS.includes(scales.dtype)) throw mismatch(stored, name, `scales cannot be ${scales.dtype}.`);
  if (codes.shape.length < 2) throw mismatch(stored, base, 'a vector cannot have block scales.');
  checkFit(
    stored,
    scales,
    scaleShape(codes.shape, block),
    () => `blocks of ${block.join('×')} of ${quote(base)}`,
  );
  return { name: base, storage: { kind: 'fp8-blocks', dtype, codes, scales, block } };
}

/** `X_blocks` [E, out, in/32, 16] and its `X_scales` [E, out, in/32]; undefined for every other name. */
export function mxfp4Storage(stored: StoredTensors, name: string): Found | undefined {
  if (!name.endsWith(BLOCKS)) return undefined;
  const base = name.slice(0, -BLOCKS.length);
  const scaleName = `${base}_scales`;
  const blocks = stored.entry(name);
  if (!stored.has(scaleName)) {
    if (blocks.dtype !== 'U8' || blocks.shape.length !== 4 || blocks.shape[3] !== 16) return undefined;
    throw mismatch(stored, name, `its scales ${quote(scaleName)} are missing.`);
  }
  const scales = stored.entry(scaleName);
  if (blocks.dtype !== 'U8') throw mismatch(stored, name, `MXFP4 blocks are U8, not ${blocks.dtype}.`);
  if (scales.dtype !== 'U8' && scales.dtype !== 'F8_E8M0') {
    throw mismatch(stored, scaleName, `MXFP4 scales are U8, not ${scales.dtype}.`);
  }
  if (blocks.shape.length !== 4 || blocks.shape[3] !== 16) {
    throw mismatch(
      stored,
      name,
      `MXFP4 blocks are [experts, outputs, groups, 16], not ${quote(blocks.shape)}.`,
    );
  }
  checkFit(stored, scales, blocks.shape.slice(0, 3), () => `the groups of ${quote(name)}`);
  return { name: base, storage: { kind: 'mxfp4', blocks, scales } };
}

function checkFit(
  stored: StoredTensors,
  scales: StoredEntry,
  wanted: readonly number[],
  of: () => string,
): void {
  const { shape } = scales;
  if (shape.length === wanted.length && shape.every((size, i) => size === wanted[i])) return;
  throw mismatch(stored, scales.name, `its shape is ${quote(shape)}, ${of()} need ${quote(wanted)}.`);
}

function mismatch(stored: StoredTensors, name: string, message: string): SpectraError {
  return new SpectraError('CHECKPOINT_MISMATCH', {
    message,
    where: tensorPlace(stored.name, name),
    fix: 'Use the whole checkpoint, with the config.json that belongs to it.',
  });
}
