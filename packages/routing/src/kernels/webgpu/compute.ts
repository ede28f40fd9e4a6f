/**
 * Compute passes with their own WGSL: several outputs, integer views of float tensors and scratch storage, which
 * tfjs's own program interface does not offer. Nothing is read back.
 */
import type { WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

export interface ComputePass {
  /** Text of the shader; the pipeline is cached by it. Entry point `main`. */
  readonly code: string;
  /** Tensors at bindings 0, 1, … of group 0. */
  readonly tensors: readonly TensorInfo[];
  /** Integers of a `var<uniform>` struct of u32 at the binding after the last tensor. */
  readonly uniforms: readonly number[];
  readonly workgroups: number;
  /** Tensors to set to zero first: buffers come from a pool with old contents. */
  readonly zeroed?: readonly TensorInfo[];
}

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

function pipelineFor(device: GPUDevice, code: string): GPUComputePipeline {
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  const found = known.get(code);
  if (found !== undefined) return found;
  const module = device.createShaderModule({ code });
  const made = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  known.set(code, made);
  return made;
}

function bufferOf(backend: WebGPUBackend, tensor: TensorInfo): GPUBuffer {
  backend.uploadToGPU(tensor.dataId);
  return backend.tensorMap.get(tensor.dataId).resource as GPUBuffer;
}

/** Submits one compute pass after everything tfjs has recorded so far. */
export function compute(backend: WebGPUBackend, pass: ComputePass): void {
  const { device } = backend;
  const pipeline = pipelineFor(device, pass.code);
  const buffers = pass.tensors.map(tensor => bufferOf(backend, tensor));
  const uniforms = device.createBuffer({
    size: 4 * pass.uniforms.length,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(uniforms, 0, new Uint32Array(pass.uniforms));
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...buffers, uniforms].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  const encoder = device.createCommandEncoder();
  for (const tensor of pass.zeroed ?? []) encoder.clearBuffer(bufferOf(backend, tensor));
  const recorded = encoder.beginComputePass();
  recorded.setPipeline(pipeline);
  recorded.setBindGroup(0, bindGroup);
  recorded.dispatchWorkgroups(pass.workgroups);
  recorded.end();
  device.queue.submit([encoder.finish()]);
  uniforms.destroy(); // allowed once submitted: the device keeps it until the pass is done
}

/** Allocates a device tensor; the caller returns it as an output or gives it to `backend.disposeData`. */
export function deviceTensor(
  backend: WebGPUBackend,
  shape: readonly number[],
  dtype: 'float32' | 'int32',
): TensorInfo {
  return backend.makeTensorInfo([...shape], dtype);
}
