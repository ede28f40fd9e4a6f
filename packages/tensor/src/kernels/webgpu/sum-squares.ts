/** Σ x² of many tensors in a fixed order: blocks of each, then the blocks; 2 operations for the 4 bytes of a value. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { workgroupReductions } from './reductions.ts';
import { releaseTensors, runShader } from './shader.ts';

const WORKGROUP = 256;
/** Parts of a tensor, each a workgroup's; a small tensor has fewer and leaves the rest 0. */
const PARTS = 32;
const PER_PART = 8 * WORKGROUP;

/** [n] */
export function sumSquaresOnDevice(
  backend: WebGPUBackend,
  tensors: readonly TensorInfo[],
): TensorInfo[] | undefined {
  if (tensors.some(({ shape }) => shape.includes(0))) return undefined;
  const parts = backend.makeTensorInfo(
    [tensors.length, PARTS],
    'float32',
    new Float32Array(tensors.length * PARTS),
  );
  tensors.forEach((x, index) => {
    const size = util.sizeFromShape(x.shape);
    const workgroups = Math.min(PARTS, Math.ceil(size / PER_PART));
    runShader(backend, {
      workgroupSize: WORKGROUP,
      ...workgroupReductions(backend, 'Sum'),
      inputs: { x },
      updated: { parts },
      sizes: { size, first: index * PARTS },
      workgroups,
      body: `
  var sum = 0.0;
  for (var i = group * WORKGROUP + lane; i < p.size; i += p.workgroups * WORKGROUP) { sum = fma(x[i], x[i], sum); }
  let total = workgroupSum(sum, lane);
  if (lane == 0u) { parts[p.first + group] = total; }`,
    });
  });
  const { sums } = runShader(backend, {
    inputs: { parts },
    outputs: { sums: { shape: [tensors.length] } },
    sizes: { count: tensors.length },
    workgroupSize: 64,
    workgroups: Math.ceil(tensors.length / 64),
    body: `
  let i = group * WORKGROUP + lane;
  if (i >= p.count) { return; }
  var sum = 0.0;
  for (var k = 0u; k < ${PARTS}u; k++) { sum += parts[i * ${PARTS}u + k]; }
  sums[i] = sum;`,
  });
  releaseTensors(backend, parts);
  return [sums];
}
