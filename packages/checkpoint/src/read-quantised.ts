/** Reads slices of quantised tensors as float32, holding the result and a few MB of codes. */
import { SpectraError } from '@spectra/tensor';
import { allocate, type HostTensor, sizeOf } from './dtypes.ts';
import { dequantizeFp8 } from './fp8-blocks.ts';
import type { TensorStorage } from './model-store.ts';
import { decodeMxfp4, MXFP4_GROUP, MXFP4_NAN } from './mxfp4.ts';
import { STAGING_BYTES } from './safetensors-reader.ts';
import { longestRead, planReads, planSlice, type TensorSlice } from './slice.ts';
import { type StoredEntry, type StoredTensors, tensorPlace } from './tensor-store.ts';

type Fp8 = Extract<TensorStorage, { kind: 'fp8-blocks' }>;
type Mxfp4 = Extract<TensorStorage, { kind: 'mxfp4' }>;

export async function readFp8(
  stored: StoredTensors,
  { dtype, codes, scales, block }: Fp8,
  slice: TensorSlice | undefined,
  where: string,
): Promise<HostTensor> {
  const plan = planSlice(codes.shape, slice, where);
  const data = allocate('F32', sizeOf(plan.shape), where);
  const [rows, columns] = [codes.shape.at(-2)!, codes.shape.at(-1)!];
  const staging = new Uint8Array(longestRead(plan, codes.shape, STAGING_BYTES));
  const scalesOf = scaleReader(stored, scales);
  let done = 0;
  for (const { start, end, runs } of planReads(plan, STAGING_BYTES)) {
    await stored.readBytes(codes.name, start, staging.subarray(0, end - start));
    for (const [from, to] of runs) {
      for (let at = from; at < to; ) {
        // matrix by matrix: each has scales of its own
        const matrix = Math.floor(at / (rows * columns));
        const first = at - matrix * rows * columns;
        const until = Math.min(to, (matrix + 1) * rows * columns);
        const scaleRow = (place: number): number => Math.floor(Math.floor(place / columns) / block[0]);
        const [top, bottom] = [scaleRow(first), scaleRow(until - 1 - matrix * rows * columns) + 1];
        const near = await scalesOf(matrix, top, bottom);
        const values = data.subarray(done, done + until - at);
        const bytes = staging.subarray(at - start, until - start);
        dequantizeFp8(dtype, bytes, first, { columns, block, scales: near.values }, near.from, values);
        done += until - at;
        at = until;
      }
    }
  }
  return { dtype: 'F32', shape: plan.shape, data };
}

interface NearScales {
  readonly values: Float32Array;
  /** The row that `values` begin with. */
  readonly from: number;
}

/** Reads rows of scales of one matrix of a stack; the last ones read are kept, since neighbours share them. */
function scaleReader(
  stored: StoredTensors,
  { name, shape }: StoredEntry,
): (matrix: number, from: number, to: number) => Promise<NearScales> {
  let kept: (NearScales & { matrix: number; to: number }) | undefined;
  return async (matrix, from, to) => {
    if (kept !== undefined && kept.matrix === matrix && kept.from <= from && to <= kept.to) return kept;
    const lead: (readonly [number, number])[] = [];
    let rest = matrix;
    for (const size of shape.slice(0, -2).reverse()) {
      lead.unshift([rest % size, (rest % size) + 1]);
      rest = Math.floor(rest / size);
    }
    const { data } = await stored.read(name, { slice: [...lead, [from, to]] });
    checkScales(data as Float32Array, stored.name, name);
    kept = { matrix, from, to, values: data as Float32Array };
    return kept;
  };
}

/** Throws `NOT_FINITE` for a scale that is not a number or infinite. */
export function checkScales(values: Float32Array, store: string, name: string): void {
  const wrong = values.findIndex(value => !Number.isFinite(value));
  if (wrong >= 0) throw notFinite(`a block scale is ${values[wrong]}.`, store, name);
}

/** Throws `NOT_FINITE` for the exponent byte of NaN. */
export function checkExponents(exponents: Uint8Array, store: string, name: string): void {
  if (exponents.includes(MXFP4_NAN)) throw notFinite('a block scale is NaN.', store, name);
}

function notFinite(message: string, store: string, name: string): SpectraError {
  return new SpectraError('NOT_FINITE', {
    message,
    where: tensorPlace(store, name),
    fix: 'The file is damaged or was quantised from weights that were not finite: get it again.',
  });
}

/** `shape` is [experts, inputs, outputs]. */
export async function readMxfp4(
  stored: StoredTensors,
  { blocks, scales }: Mxfp4,
  shape: readonly number[],
  slice: TensorSlice | undefined,
  where: string,
): Promise<HostTensor> {
  const plan = planSlice(shape, slice, where);
  const data = allocate('F32', sizeOf(plan.shape), where);
  const [experts, inputs, outputs] = shape.map((size, axis) => slice?.[axis] ?? [0, size]) as [
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
  ];
  const [count, width] = [inputs[1] - inputs[0], outputs[1] - outputs[0]];
  const [rows, groups] = [blocks.shape[1]!, blocks.shape[2]!];
  if (data.length === 0) return { dtype: 'F32', shape: plan.shape, data };
  const firstGroup = Math.floor(inputs[0] / MXFP4_GROUP);
  const lastGroup = Math.ceil(inputs[1] / MXFP4_GROUP);
  for (let expert = experts[0]; expert < experts[1]; expert++) {
    const matrix = data.subarray(
      (expert - experts[0]) * count * width,
      (expert - experts[0] + 1) * count * width,
    );
    // whole rows of groups lie together in the file; a row too long for the buffer is read in parts
    const whole = groups * 16 <= STAGING_BYTES;
    const step = whole ? groups : Math.floor(STAGING_BYTES / 16);
    const bands = whole ? Math.max(1, Math.floor(STAGING_BYTES / (groups * 16))) : 1;
    for (let row = outputs[0]; row < outputs[1]; row += bands) {
      const band = Math.min(bands, outputs[1] - row);
      for (let group = whole ? 0 : firstGroup; group < (whole ? 1 : lastGroup); group += step) {
        const taken = Math.min(step, groups - group);
        const codes = new Uint8Array(band * taken * 16);
        const exponents = new Uint8Array(band * taken);
        const place = (expert * rows + row) * groups + group;
        await stored.readBytes(blocks.name, place * 16, codes);
        await stored.readBytes(scales.name, place, exponents);
        checkExponents(exponents, stored.name, scales.name);
        const first = Math.max(0, inputs[0] - group * MXFP4_GROUP);
        const before = Math.max(0, group * MXFP4_GROUP - inputs[0]);
        const here = Math.min(count - before, taken * MXFP4_GROUP - first);
        const into = matrix.subarray(before * width + row - outputs[0]);
        decodeMxfp4(codes, exponents, band, taken, first, here, into, width);
      }
    }
  }
  return { dtype: 'F32', shape: plan.shape, data };
}
