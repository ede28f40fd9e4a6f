/** Compiled pipelines, one per device and text. */

type Access = 'read' | 'read_write';

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/**
 * The pipeline of a shader whose storage arrays are bindings 0 … n−1 of group 0, its uniforms binding n. The layout is
 * given: one derived from the text would leave out what a shader does not read.
 */
export function pipelineFor(
  device: GPUDevice,
  code: string,
  accesses: readonly Access[],
): GPUComputePipeline {
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  const found = known.get(code);
  if (found !== undefined) return found;
  const layout = device.createBindGroupLayout({
    entries: [
      ...accesses.map(access => (access === 'read' ? 'read-only-storage' : 'storage')),
      'uniform' as const,
    ].map((type, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: type as GPUBufferBindingType },
    })),
  });
  const made = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  known.set(code, made);
  return made;
}
