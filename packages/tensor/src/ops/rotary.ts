/** Rotary position embedding, half-split (Su et al. 2021). */
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp, type Op } from '../define-op.ts';
import { checkShape, checkValue } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { rotaryOnDevice } from '../kernels/webgpu/rotary.ts';

const op: Op<{ x: Tensor; cos: Tensor; sin: Tensor }, { readonly inverse: boolean }> = defineOp({
  name: 'Rotary',
  reference: ({ x, cos, sin }, { inverse }) => {
    const half = cos.shape[2]!;
    const [a, b, rest] = tf.split(x, [half, half, x.shape[3]! - 2 * half], 3) as [Tensor, Tensor, Tensor];
    const c = cos.expandDims(2);
    const s = inverse ? sin.expandDims(2).neg() : sin.expandDims(2);
    const turned = [a.mul(c).sub(b.mul(s)), b.mul(c).add(a.mul(s))];
    return [tf.concat(rest.size === 0 ? turned : [...turned, rest], 3)];
  },
  kernels: {
    wasm: ({ x, cos, sin }, { inverse }, call) => {
      const [batch, length, heads, width] = x.shape as [number, number, number, number];
      const half = cos.shape[2]!;
      const out = call.output(x.shape);
      tensorKernels(call.backend).rotary(
        call.address(x),
        call.address(cos),
        call.address(sin),
        call.address(out),
        batch,
        length,
        heads,
        width,
        half,
        cos.shape[0] === 1 ? 0 : 4 * length * half,
        inverse ? -1 : 1,
      );
      return [out];
    },
    webgpu: (inputs, { inverse }, backend) => rotaryOnDevice(backend, inputs, inverse),
  },
  // cos and sin are constants; where a factor scales both, the transpose is still the inverse turn times it
  gradient: ({ dys: [dy], inputs: { cos, sin }, attrs: { inverse } }) => ({
    x: op({ x: dy!, cos, sin }, { inverse: !inverse })[0]!,
  }),
});

/**
 * x [B,S,heads,d], cos and sin [B or 1,S,r/2] → x with channel i turned together with channel i + r/2, channels from
 * r ≤ d on as they are. Differentiable in x; the caller owns the result.
 *
 * @throws SHAPE for tables of another shape, VALUE for tables wider than a head
 */
export function rotary(x: Tensor4D, cos: Tensor3D, sin: Tensor3D): Tensor4D {
  const [batch, length, , width] = x.shape;
  checkShape(cos.shape, [cos.shape[0] === 1 ? 1 : batch, length, -1], 'rotary cos');
  checkShape(sin.shape, [...cos.shape], 'rotary sin');
  checkValue(
    2 * cos.shape[2] <= width,
    `tables for ${2 * cos.shape[2]} channels, heads of ${width}.`,
    'rotary',
  );
  return op({ x, cos, sin }, { inverse: false })[0] as Tensor4D;
}
