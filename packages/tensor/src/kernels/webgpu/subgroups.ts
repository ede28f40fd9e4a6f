/**
 * Whether reductions may use subgroups. WGSL leaves open how the invocations of a workgroup are dealt out to subgroups;
 * a sum in a fixed order needs them consecutive, so a device is asked once, when the backend starts. Where a device has
 * subgroups of several sizes, each shader may get another one, and what was asked of one says nothing of the next.
 */

const leastSizes = new WeakMap<GPUDevice, number>();

/** The smallest subgroup of a device that deals out invocations in order; none where reductions do without subgroups. */
export function ordersSubgroups(device: GPUDevice): number | undefined {
  return leastSizes.get(device);
}

/** Sets what `ordersSubgroups` answers, as the check does; tests switch subgroups off and on with it. */
export function useSubgroups(device: GPUDevice, leastSize: number | undefined): void {
  if (leastSize === undefined) leastSizes.delete(device);
  else leastSizes.set(device, leastSize);
}

/** The workgroup sizes that kernels use. */
const SIZES = [64, 128, 256] as const;

/** Runs a shader that tells each invocation's subgroup, for every workgroup size; one read-back. */
export async function checkSubgroups(device: GPUDevice): Promise<void> {
  if (!device.features.has('subgroups') || leastSizes.has(device)) return;
  const { subgroupMinSize: least, subgroupMaxSize: most } = device.adapterInfo ?? {};
  if (least === undefined || least !== most) return;
  const total = SIZES.reduce((sum, size) => sum + size, 0);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const made = device.createBuffer({ size: 8 * total, usage: STORAGE | COPY_SRC });
  const read = device.createBuffer({ size: 8 * total, usage: COPY_DST | MAP_READ });
  try {
    const encoder = device.createCommandEncoder();
    let from = 0;
    for (const size of SIZES) {
      const module = device.createShaderModule({ code: probe(size, from) });
      const pipeline = device.createComputePipeline({
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
      const entries = [{ binding: 0, resource: { buffer: made } }];
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      pass.dispatchWorkgroups(1);
      pass.end();
      from += size;
    }
    encoder.copyBufferToBuffer(made, 0, read, 0, 8 * total);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    useSubgroups(device, leastInOrder(new Uint32Array(read.getMappedRange())));
  } finally {
    made.destroy();
    read.destroy();
  }
}

/** Each invocation tells the first of its subgroup, and how many there are. */
function probe(workgroupSize: number, from: number): string {
  return `
enable subgroups;
@group(0) @binding(0) var<storage, read_write> found: array<vec2u>;
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(local_invocation_index) lane: u32) {
  let first = subgroupMin(lane);
  found[${from}u + lane] = vec2u(first, subgroupAdd(1u));
}`;
}

/** The smallest subgroup if all are of one size in their workgroup, consecutive and larger than 1. */
function leastInOrder(found: Uint32Array): number | undefined {
  let least = Number.POSITIVE_INFINITY;
  let from = 0;
  for (const size of SIZES) {
    const width = found[2 * from + 1]!;
    for (let lane = 0; lane < size; lane++) {
      const [first, count] = [found[2 * (from + lane)]!, found[2 * (from + lane) + 1]!];
      if (count !== width || first !== lane - (lane % width)) return undefined;
    }
    least = Math.min(least, width);
    from += size;
  }
  return least > 1 ? least : undefined;
}
