/**
 * Copies of weights in float16, two in a word: a product that reads them moves half the bytes, which is what a token
 * decoded waits for. They are unpacked on the way into workgroup memory by `unpack2x16float`, which every device has, so
 * that `shader-f16` is not asked for; sums are float32.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

/** By the data of the float32 weight, so that new values never meet an old copy. */
const copies = new WeakMap<object, TensorInfo>();

/** An array of a shader that holds weights: what is bound, its WGSL type, and how an element is read. */
export interface WeightSource {
  readonly tensor: TensorInfo;
  readonly types: Readonly<Record<string, string>>;
  readonly declarations: string;
  at(index: string): string;
}

/** `weight` under `name`: its copy in float16 where there is one. */
export function weightSource(name: string, weight: TensorInfo): WeightSource {
  const copy = copies.get(weight.dataId);
  if (copy === undefined) {
    return { tensor: weight, types: {}, declarations: '', at: index => `${name}[${index}]` };
  }
  return {
    tensor: copy,
    types: { [name]: 'u32' },
    declarations: `
fn ${name}Half(i: u32) -> f32 {
  let pair = unpack2x16float(${name}[i / 2u]);
  return select(pair.x, pair.y, i % 2u == 1u);
}`,
    at: index => `${name}Half(${index})`,
  };
}

/** Makes the copy that `weightSource` finds from now on; an int32 tensor of half as many words, rounded up. */
export function copyToHalf(backend: WebGPUBackend, weight: TensorInfo): TensorInfo {
  const size = util.sizeFromShape(weight.shape);
  const count = Math.ceil(size / 2);
  const { halves } = runElementwise(backend, {
    inputs: { weight },
    outputs: { halves: { shape: [count], dtype: 'int32' } },
    count,
    sizes: { size },
    body: `
  let second = min(2u * i + 1u, p.size - 1u);
  halves[i] = bitcast<i32>(pack2x16float(vec2f(weight[2u * i], weight[second])));`,
  });
  copies.set(weight.dataId, halves);
  return halves;
}

/** Takes a copy back out of use. */
export function forgetHalf(weight: { readonly dataId: object }): void {
  copies.delete(weight.dataId);
}
