import * as tf from '@tensorflow/tfjs-core';
export function rmsNorm(x: tf.Tensor2D, w: tf.Tensor1D, eps: number): tf.Tensor2D {
  return x.mul(x.square().mean(1, true).add(eps).rsqrt()).mul(w);
}
export function swiglu(x: tf.Tensor2D): tf.Tensor2D {
  const [a, b] = tf.split(x, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  return a.mul(a.sigmoid()).mul(b);
}
export function gatherRows(x: tf.Tensor2D, i: tf.Tensor1D): tf.Tensor2D {
  return tf.matMul(tf.oneHot(i, x.shape[0]).toFloat() as tf.Tensor2D, x);
}
export function crossEntropy(l: tf.Tensor2D, t: tf.Tensor1D, w: tf.Tensor1D): tf.Tensor1D {
  return tf.logSoftmax(l).mul(tf.oneHot(t, l.shape[1]).toFloat()).sum(1).neg().mul(w) as tf.Tensor1D;
}
export function rotary(x: tf.Tensor4D, cos: tf.Tensor3D, sin: tf.Tensor3D): tf.Tensor4D {
  const [a, b] = tf.split(x, 2, 3);
  const c = cos.expandDims(2);
  const s = sin.expandDims(2);
  return tf.concat([a!.mul(c).sub(b!.mul(s)), b!.mul(c).add(a!.mul(s))], 3) as tf.Tensor4D;
}
export function causalAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  o: {
    queryDocuments?: tf.Tensor2D | undefined;
    keyDocuments?: tf.Tensor2D | undefined;
    window?: number | undefined;
  },
): tf.Tensor4D {
  const [B, S, h, d] = q.shape;
  const [, K, kv] = k.shape;
  const rep = h! / kv!;
  const q2 = q
    .reshape([B, S, kv!, rep, d])
    .transpose([0, 2, 3, 1, 4])
    .reshape([B, kv!, rep * S, d]);
  const k2 = k.transpose([0, 2, 3, 1]);
  const v2 = v.transpose([0, 2, 1, 3]);
  const i = tf.range(K - S, K).reshape([1, S, 1]);
  const j = tf.range(0, K).reshape([1, 1, K]);
  let ok: tf.Tensor = j.lessEqual(i);
  if (o.window !== undefined) ok = ok.logicalAnd(j.greater(i.sub(o.window)));
  if (o.queryDocuments && o.keyDocuments)
    ok = ok.logicalAnd(
      o.queryDocuments.toFloat().expandDims(2).equal(o.keyDocuments.toFloat().expandDims(1)),
    );
  const bias = tf.sub(1, ok.toFloat()).mul(-1e30).expandDims(1).expandDims(1);
  const s = tf
    .matMul(q2, k2)
    .mul(1 / Math.sqrt(d))
    .reshape([B, kv!, rep, S, K])
    .add(bias);
  const p = tf.softmax(s).reshape([B, kv!, rep * S, K]);
  return tf
    .matMul(p, v2)
    .reshape([B, kv!, rep, S, d])
    .transpose([0, 3, 1, 2, 4])
    .reshape([B, S, h, d]) as tf.Tensor4D;
}
