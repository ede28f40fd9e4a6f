/**
 * A stable counting sort of the slots by expert, in three dispatches without atomics: how many of each block of slots
 * go to each expert, where each block's begin, and each slot's place among its block's. Slots without an expert count
 * as one expert more, behind the others.
 */
import { releaseTensors, runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';

const BLOCK = 256;

const SHARED = `
var<workgroup> experts: array<u32, ${BLOCK}>;
fn expertOf(slot: u32) -> u32 {
  if (slot >= p.slots) { return p.experts + 1u; }
  let e = indices[slot];
  return select(p.experts, u32(e), e >= 0 && e < i32(p.experts));
}`;

/** [slotOfRow [N·slots], rowOfSlot [N,slots], offsets [E+1]] */
export function dispatchPlanOnDevice(
  backend: WebGPUBackend,
  indices: TensorInfo,
  experts: number,
): TensorInfo[] {
  const slots = util.sizeFromShape(indices.shape);
  if (slots === 0) {
    const zeros = (shape: number[]): TensorInfo =>
      backend.makeTensorInfo(shape, 'int32', new Int32Array(util.sizeFromShape(shape)));
    return [zeros([0]), zeros([...indices.shape]), zeros([experts + 1])];
  }
  const blocks = Math.ceil(slots / BLOCK);
  const sizes = { slots, experts, blocks };
  const { counts } = runShader(backend, {
    inputs: { indices },
    outputs: { counts: { shape: [blocks, experts + 1], dtype: 'int32' } },
    types: { counts: 'u32' },
    sizes,
    workgroupSize: BLOCK,
    workgroups: blocks,
    declarations: SHARED,
    body: `
  experts[lane] = expertOf(group * WORKGROUP + lane);
  workgroupBarrier();
  for (var e = lane; e <= p.experts; e += WORKGROUP) {
    var count = 0u;
    for (var i = 0u; i < WORKGROUP; i++) { count += select(0u, 1u, experts[i] == e); }
    counts[group * (p.experts + 1u) + e] = count;
  }`,
  });
  const { starts, offsets } = runShader(backend, {
    inputs: { counts },
    outputs: {
      starts: { shape: [blocks, experts + 1], dtype: 'int32' },
      offsets: { shape: [experts + 1], dtype: 'int32' },
    },
    types: { counts: 'u32', starts: 'u32' },
    sizes,
    workgroupSize: BLOCK,
    workgroups: 1,
    body: `
  for (var e = lane; e <= p.experts; e += WORKGROUP) {
    var total = 0u;
    for (var b = 0u; b < p.blocks; b++) { total += counts[b * (p.experts + 1u) + e]; }
    starts[e] = total;
  }
  storageBarrier();
  workgroupBarrier();
  if (lane == 0u) {
    var first = 0u;
    for (var e = 0u; e <= p.experts; e++) {
      let total = starts[e];
      starts[e] = first;
      offsets[e] = i32(first);
      first += total;
    }
  }
  storageBarrier();
  workgroupBarrier();
  for (var e = lane; e <= p.experts; e += WORKGROUP) {
    var first = starts[e];
    for (var b = 0u; b < p.blocks; b++) {
      starts[b * (p.experts + 1u) + e] = first;
      first += counts[b * (p.experts + 1u) + e];
    }
  }`,
  });
  const { slotOfRow, rowOfSlot } = runShader(backend, {
    inputs: { indices, starts },
    outputs: {
      slotOfRow: { shape: [slots], dtype: 'int32' },
      rowOfSlot: { shape: indices.shape, dtype: 'int32' },
    },
    types: { starts: 'u32' },
    sizes,
    workgroupSize: BLOCK,
    workgroups: blocks,
    declarations: SHARED,
    body: `
  let slot = group * WORKGROUP + lane;
  let e = expertOf(slot);
  experts[lane] = e;
  workgroupBarrier();
  if (slot >= p.slots) { return; }
  var row = starts[group * (p.experts + 1u) + e];
  for (var i = 0u; i < lane; i++) { row += select(0u, 1u, experts[i] == e); }
  let dead = e == p.experts;
  slotOfRow[row] = select(i32(slot), -1, dead);
  rowOfSlot[slot] = select(i32(row), -1, dead);`,
  });
  releaseTensors(backend, counts, starts);
  return [slotOfRow, rowOfSlot, offsets];
}
