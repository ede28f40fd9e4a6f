/**
 * Compute shaders of our own on tfjs's device: several outputs, integer views of float tensors, barriers and scratch
 * storage, which tfjs's program interface does not offer. A dispatch is recorded into the command buffer that tfjs is
 * filling, in its order, so that a step of hundreds of dispatches is submitted at once and nothing is read back.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { env } from '@tensorflow/tfjs-core';
import { pipelineFor } from './pipelines.ts';

/** A result, or scratch that the kernel gives back with `releaseTensors`. */
export interface ShaderOutput {
  readonly shape: readonly number[];
  /** float32 by default. */
  readonly dtype?: 'float32' | 'int32';
  /** Set to 0 first: buffers come from a pool with old contents. */
  readonly zeroed?: boolean;
}

export interface Shader<O extends string = never> {
  /** Read-only arrays by the name they have in the code; one that is undefined has no binding. */
  readonly inputs: Readonly<Record<string, TensorInfo | undefined>>;
  /** Arrays that are made here, of no more than 8 bindings together with the others: what every device grants. */
  readonly outputs?: Readonly<Record<O, ShaderOutput>>;
  /** Arrays that are changed in place: outputs of an earlier dispatch of the same kernel. */
  readonly updated?: Readonly<Record<string, TensorInfo>>;
  /** WGSL element types by name, where they are not f32 for float32 and i32 for the rest. */
  readonly types?: Readonly<Record<string, string>>;
  /** `p.<name>` as u32, and as f32. Not part of the text: a new size compiles nothing. */
  readonly sizes?: Readonly<Record<string, number>>;
  readonly reals?: Readonly<Record<string, number>>;
  readonly workgroupSize: number;
  /** Any number: above the limit of one dimension they are spread over two. */
  readonly workgroups: number;
  /** Constants, workgroup variables and functions; extensions go into `enable`. */
  readonly declarations?: string;
  readonly enable?: readonly string[];
  /** Statements of `main`, which knows `group` and `lane` (u32): which workgroup, and which invocation of it. */
  readonly body: string;
}

/** What of tfjs's backend is private to it, and steady in the pinned version. */
interface BackendInternals {
  commandEncoder: GPUCommandEncoder;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  makeUniforms(uniforms: { type: string; data: number[] }[]): GPUBufferBinding;
}

/** The guaranteed limits that kernels keep to: workgroups along one dimension, bytes of workgroup memory. */
const MOST_ALONG_ONE_DIMENSION = 65535;
export const WORKGROUP_BYTES = 16384;

/**
 * Records one dispatch and returns its outputs, which belong to the caller: a kernel returns them or gives them to
 * `releaseTensors`. No input may be empty.
 */
export function runShader<O extends string = never>(
  backend: WebGPUBackend,
  shader: Shader<O>,
): Record<O, TensorInfo> {
  const internals = backend as unknown as BackendInternals;
  const { device } = backend;
  const outputs = Object.entries<ShaderOutput>(shader.outputs ?? {}).map(
    ([name, { shape, dtype = 'float32', zeroed = false }]) =>
      ({ name, zeroed, tensor: backend.makeTensorInfo([...shape], dtype) }) as const,
  );
  const inputs = Object.entries(shader.inputs).filter(
    (entry): entry is [string, TensorInfo] => entry[1] !== undefined,
  );
  const bound = [
    ...inputs.map(([name, tensor]) => ({ name, tensor, access: 'read' as const })),
    ...Object.entries(shader.updated ?? {}).map(([name, tensor]) => ({
      name,
      tensor,
      access: 'read_write' as const,
    })),
    ...outputs.map(({ name, tensor }) => ({ name, tensor, access: 'read_write' as const })),
  ];
  const pipeline = pipelineFor(
    device,
    sourceOf(shader, bound),
    bound.map(({ access }) => access),
  );
  const buffers = bound.map(({ tensor }) => bufferOf(backend, tensor));
  const uniforms = internals.makeUniforms([
    { type: 'uint32', data: [shader.workgroups] },
    ...Object.values(shader.sizes ?? {}).map(value => ({ type: 'uint32', data: [value] })),
    ...Object.values(shader.reals ?? {}).map(value => ({ type: 'float32', data: [value] })),
  ]);
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...buffers.map(buffer => ({ buffer })), uniforms].map((resource, binding) => ({
      binding,
      resource,
    })),
  });

  backend.ensureCommandEncoderReady();
  for (const { zeroed, tensor } of outputs) {
    if (!zeroed) continue;
    backend.endComputePassEncoder();
    internals.commandEncoder.clearBuffer(bufferOf(backend, tensor));
  }
  internals.computePassEncoder ??= internals.commandEncoder.beginComputePass();
  const pass = internals.computePassEncoder;
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...grid(shader.workgroups));
  for (const { tensor } of bound) internals.commandQueueOwnedIds.add(tensor.dataId);
  internals.dispatchCountInPass++;
  if (internals.dispatchCountInPass >= env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
  return Object.fromEntries(outputs.map(({ name, tensor }) => [name, tensor])) as Record<O, TensorInfo>;
}

/** Gives scratch back once everything that uses it is recorded. */
export function releaseTensors(backend: WebGPUBackend, ...tensors: readonly TensorInfo[]): void {
  for (const { dataId } of tensors) backend.disposeData(dataId);
}

function bufferOf(backend: WebGPUBackend, tensor: TensorInfo): GPUBuffer {
  backend.uploadToGPU(tensor.dataId);
  return backend.tensorMap.get(tensor.dataId).resource as GPUBuffer;
}

function grid(workgroups: number): [number, number] {
  if (workgroups <= MOST_ALONG_ONE_DIMENSION) return [workgroups, 1];
  const rows = Math.ceil(workgroups / MOST_ALONG_ONE_DIMENSION);
  return [Math.ceil(workgroups / rows), rows];
}

function sourceOf(
  { sizes = {}, reals = {}, types = {}, workgroupSize, declarations = '', enable = [], body }: Shader<string>,
  bound: readonly { readonly name: string; readonly tensor: TensorInfo; readonly access: string }[],
): string {
  const arrays = bound.map(
    ({ name, tensor, access }, binding) =>
      `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: ` +
      `array<${types[name] ?? (tensor.dtype === 'float32' ? 'f32' : 'i32')}>;`,
  );
  const members = [
    'workgroups: u32',
    ...Object.keys(sizes).map(name => `${name}: u32`),
    ...Object.keys(reals).map(name => `${name}: f32`),
  ];
  return `${enable.map(name => `enable ${name};\n`).join('')}${arrays.join('\n')}
struct Parameters { ${members.join(', ')} }
@group(0) @binding(${bound.length}) var<uniform> p: Parameters;
const WORKGROUP = ${workgroupSize}u;
${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(
  @builtin(workgroup_id) workgroupAt: vec3u,
  @builtin(num_workgroups) allWorkgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroupAt.y * allWorkgroups.x + workgroupAt.x;
  if (group >= p.workgroups) { return; }
${body}
}
`;
}
