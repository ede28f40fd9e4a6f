/** Calls of the wasm kernels: addresses, outputs and one call per group of experts. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import { defineWasmModule } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as binary from '../generated/wasm.js';
import type { SinkhornAttrs, SinkhornInputs } from './problem.ts';
import type { GradientInputs } from './reference-gradient.ts';

interface Exports {
  firstBad(cost: number, mask: number, tokens: number, experts: number): number;
  forwardWork(tokens: number, width: number, logs: number): number;
  backwardWork(tokens: number, width: number, logs: number): number;
  forward(...addressesAndSizes: number[]): number;
  backward(...addressesAndSizes: number[]): number;
}

const wasmModule = defineWasmModule<Exports>(binary);

/** A float's bytes; addresses advance by them. */
const BYTES = 4;

/** What `forward` returns where the scalings' range does not hold a problem. */
const WANTS_LOGS = -1;

export function sinkhornWasm(
  inputs: KernelInputs<SinkhornInputs>,
  attrs: SinkhornAttrs,
  call: WasmCall,
): TensorInfo[] {
  const { forward, forwardWork, firstBad } = wasmModule(call.backend);
  const [N, E] = inputs.cost!.shape as [number, number];
  const { groups: m, epsilon, iterations, tolerance = -1 } = attrs;
  const w = E / m;
  const plan = call.output([N, E]);
  const f = call.output([N, m]);
  const g = call.output([E]);
  const history = call.output([iterations + 1, E]);
  const steps = call.output([m], 'int32');
  const rowError = call.output([]);
  const columnError = call.output([]);
  const bad = call.output([], 'int32');
  const errors = call.scratch(2 * BYTES);
  const cost = call.address(inputs.cost!);
  const mask = call.addressOr0(inputs.mask);
  const mass = call.addressOr0(inputs.columnMass);
  const start = call.addressOr0(inputs.start);
  const [planAt, fAt, gAt, historyAt] = [plan, f, g, history].map(info => call.address(info)) as [
    number,
    number,
    number,
    number,
  ];

  const run = (group: number, logs: 0 | 1, work: number): number => {
    const offset = group * w * BYTES;
    const own = (address: number): number => (address === 0 ? 0 : address + offset);
    return forward(
      own(cost),
      mask,
      own(mass),
      own(start),
      own(planAt),
      fAt + group * BYTES,
      own(gAt),
      own(historyAt),
      errors,
      work,
      N,
      E,
      m,
      w,
      epsilon,
      iterations,
      tolerance,
      logs,
    );
  };
  const work = call.scratch(forwardWork(N, w, 0));
  let logWork: number | undefined;
  let position = -1;
  const taken: number[] = [];
  const worst = [0, 0];
  for (let group = 0; group < m; group++) {
    let count = run(group, 0, work);
    if (count === WANTS_LOGS) {
      if (logWork === undefined) {
        logWork = call.scratch(forwardWork(N, w, 1));
        position = firstBad(cost, mask, N, E);
      }
      count = run(group, 1, logWork);
    }
    taken.push(count);
    const [row, column] = call.floats(errors, 2);
    worst[0] = Math.max(worst[0]!, row!);
    worst[1] = Math.max(worst[1]!, column!);
  }
  call.ints(call.address(steps), m).set(taken);
  call.ints(call.address(bad), 1)[0] = position;
  call.floats(call.address(rowError), 1)[0] = worst[0]!;
  call.floats(call.address(columnError), 1)[0] = worst[1]!;
  return [plan, f, g, history, steps, rowError, columnError, bad];
}

export function sinkhornGradientWasm(
  inputs: KernelInputs<GradientInputs>,
  attrs: SinkhornAttrs,
  call: WasmCall,
): TensorInfo[] {
  const { backward, backwardWork } = wasmModule(call.backend);
  const [N, E] = inputs.cost!.shape as [number, number];
  const { groups: m, epsilon, gradient: kind } = attrs;
  const w = E / m;
  const gradient = call.output([N, E]);
  const steps = [...call.ints(call.address(inputs.steps!), m)];
  const cost = call.address(inputs.cost!);
  const mask = call.addressOr0(inputs.mask);
  const mass = call.addressOr0(inputs.columnMass);
  const tensors = [inputs.plan!, inputs.history!, inputs.cotangent!, gradient].map(info =>
    call.address(info),
  );
  const run = (group: number, logs: 0 | 1, work: number): boolean => {
    const offset = group * w * BYTES;
    const taken = kind === 'detached' ? 0 : steps[group]!;
    const own = tensors.map(address => address + offset);
    const ownMass = mass === 0 ? 0 : mass + offset;
    return backward(cost + offset, mask, ownMass, ...own, work, N, E, w, epsilon, taken, logs) !== 0;
  };
  const work = call.scratch(backwardWork(N, w, 0));
  let logWork: number | undefined;
  for (let group = 0; group < m; group++) {
    if (run(group, 0, work)) continue;
    logWork ??= call.scratch(backwardWork(N, w, 1));
    run(group, 1, logWork);
  }
  return [gradient];
}
