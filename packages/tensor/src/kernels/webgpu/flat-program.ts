/** Small WGSL programs, one thread per output element, that keep int32 as int32. */
import type { WebGPUBackend, WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';

const WORKGROUP = 64;

export interface FlatProgram {
  /** Unique among programs of different text. */
  readonly key: string;
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** Input arrays by the name they have in `body`, e.g. `a[i]`. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  /** Integers of up to 4 components by name: `uniforms.rows`, `uniforms.dims.x`. */
  readonly uniforms: Readonly<Record<string, readonly number[]>>;
  /** Statements that set `result[…]` for output element `index`. */
  readonly body: string;
  /** Threads; one per output element if left out. */
  readonly threads?: number;
}

/** Runs the program; the kernel's caller owns the output. */
export function runFlat(backend: object, program: FlatProgram): TensorInfo {
  const { key, shape, dtype, inputs, uniforms, body } = program;
  const threads = program.threads ?? util.sizeFromShape([...shape]);
  const definition: WebGPUProgram = {
    outputShape: [...shape],
    variableNames: Object.keys(inputs),
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: shape.map((_, i) => i) },
    dispatch: [Math.max(1, Math.ceil(threads / WORKGROUP)), 1, 1],
    uniforms: [...Object.entries(uniforms), ['threads', [threads]] as const]
      .map(([name, values]) => `${name} : ${TYPES[values.length]}, `)
      .join(''),
    shaderKey: `spectra_${key}`,
    getUserCode: () => `fn main(index : i32) { if (index < uniforms.threads) { ${body} } }`,
  };
  const data = [...Object.values(uniforms), [threads]].map(values => ({ type: 'int32', data: [...values] }));
  return (backend as WebGPUBackend).runWebGPUProgram(definition, Object.values(inputs), dtype, data);
}

const TYPES: Readonly<Record<number, string>> = { 1: 'i32', 2: 'vec2<i32>', 3: 'vec3<i32>', 4: 'vec4<i32>' };
