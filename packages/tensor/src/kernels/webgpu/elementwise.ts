/** Shaders of one invocation an element: no reuse, so the memory's speed is their limit. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { runShader, type Shader } from './shader.ts';

const WORKGROUP = 64;

export interface Elementwise<O extends string>
  extends Omit<Shader<O>, 'workgroupSize' | 'workgroups' | 'body'> {
  readonly count: number;
  /** Statements for element `i` (u32). */
  readonly body: string;
}

export function runElementwise<O extends string>(
  backend: WebGPUBackend,
  { count, body, sizes, ...rest }: Elementwise<O>,
): Record<O, TensorInfo> {
  return runShader(backend, {
    ...rest,
    sizes: { count, ...sizes },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(count / WORKGROUP),
    body: `
  let i = group * WORKGROUP + lane;
  if (i >= p.count) { return; }
${body}`,
  });
}
