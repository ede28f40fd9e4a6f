/**
 * The largest squared eigenvalue of a Gram matrix's distance from I, in one workgroup: repeated squaring between two
 * halves of a scratch array that stays in the cache, E³ multiplications a squaring over 256 invocations.
 */
import { releaseTensors, runShader, type WebGPUBackend, workgroupReductions } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

const WORKGROUP = 256;
/** From here on one workgroup is too little; the products of the reference use the whole device. */
const MOST_EXPERTS = 128;

/** [‖Av‖², v [E,1], Av [E,1]] of a symmetric A [E,E], v its leading vector. */
export function spectralSquaredOnDevice(
  backend: WebGPUBackend,
  A: TensorInfo,
  squarings: number,
): TensorInfo[] | undefined {
  const experts = A.shape[0]!;
  if (experts === 0 || experts > MOST_EXPERTS) return undefined;
  const { declarations, enable } = workgroupReductions(backend, 'Sum', 'Max');
  const { value, vector, image, powers } = runShader(backend, {
    inputs: { A },
    outputs: {
      value: { shape: [] },
      vector: { shape: [experts, 1] },
      image: { shape: [experts, 1] },
      powers: { shape: [2, experts, experts] },
    },
    sizes: { squarings },
    workgroupSize: WORKGROUP,
    workgroups: 1,
    enable,
    declarations: `${declarations}
const E = ${experts}u;
var<workgroup> column: array<f32, E>;
var<workgroup> lengths: array<f32, E>;
fn atLeast(value: f32) -> f32 { return max(value, 1e-30); }
/** Where a product over the expert of this invocation begins. */
fn timesA(e: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < E; k++) { sum += A[e * E + k] * column[k]; }
  return sum;
}`,
    // powers leave float32's range: each is brought to a largest entry of 1 as it is read
    body: `
  var part = 0.0;
  for (var i = lane; i < E * E; i += WORKGROUP) { part = max(part, abs(A[i])); powers[i] = A[i]; }
  var scale = 1.0 / atLeast(workgroupMax(part, lane));
  storageBarrier();
  workgroupBarrier();
  for (var turn = 0u; turn <= p.squarings; turn++) {
    let from0 = turn % 2u * E * E;
    let to = E * E - from0;
    part = 0.0;
    for (var i = lane; i < E * E; i += WORKGROUP) {
      let a = i / E;
      let b = i % E;
      var sum = 0.0;
      for (var k = 0u; k < E; k++) { sum += (powers[from0 + k * E + a] * scale) * (powers[from0 + k * E + b] * scale); }
      powers[to + i] = sum;
      part = max(part, abs(sum));
    }
    scale = 1.0 / atLeast(workgroupMax(part, lane));
    storageBarrier();
    workgroupBarrier();
  }
  let last = (p.squarings + 1u) % 2u * E * E;
  for (var e = lane; e < E; e += WORKGROUP) {
    var squares = 0.0;
    for (var k = 0u; k < E; k++) { squares += powers[last + k * E + e] * powers[last + k * E + e] * scale * scale; }
    lengths[e] = squares;
  }
  workgroupBarrier();
  var longest = 0u;
  for (var e = 1u; e < E; e++) { if (lengths[e] > lengths[longest]) { longest = e; } }
  let length = 1.0 / atLeast(sqrt(lengths[longest]));
  for (var e = lane; e < E; e += WORKGROUP) { column[e] = powers[last + e * E + longest] * scale * length; }
  workgroupBarrier();
  // once more through A² itself, twice A, each to unit length
  for (var turn = 0u; turn < 2u; turn++) {
    part = 0.0;
    for (var e = lane; e < E; e += WORKGROUP) {
      let sum = timesA(e);
      lengths[e] = sum;
      part += sum * sum;
    }
    let inverse = 1.0 / atLeast(sqrt(workgroupSum(part, lane)));
    for (var e = lane; e < E; e += WORKGROUP) { column[e] = lengths[e] * inverse; }
    workgroupBarrier();
  }
  part = 0.0;
  for (var e = lane; e < E; e += WORKGROUP) {
    let sum = timesA(e);
    vector[e] = column[e];
    image[e] = sum;
    part += sum * sum;
  }
  let total = workgroupSum(part, lane);
  if (lane == 0u) { value[0] = total; }`,
  });
  releaseTensors(backend, powers);
  return [value, vector, image];
}
