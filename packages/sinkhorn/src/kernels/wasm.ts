/** Calls of the wasm kernels: addresses, outputs and one call per group of experts. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import { defineWasmModule } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as binary from '../generated/wasm.js';
import type { SinkhornAttrs, SinkhornInputs } from './problem.ts';
import type { GradientInputs } from './reference-gradient.ts';

interface Exports {
  firstBad(cost: number, mask: number, tokens: number, experts: number): number;
  forwardWork(tokens: number, width: number): number;
  backwardWork(tokens: number, width: number): number;
  forward(...addressesAndSizes: number[]): number;
  backward(...addressesAndSizes: number[]): void;
}

const wasmModule = defineWasmModule<Exports>(binary);

/** A float's bytes; addresses advance by them. */
const BYTES = 4;

export function sinkhornWasm(
  inputs: KernelInputs<SinkhornInputs>,
  attrs: SinkhornAttrs,
  call: WasmCall,
): TensorInfo[] {
  const { forward, forwardWork, firstBad } = wasmModule(call.backend);
  const [N, E] = inputs.cost!.shape as [number, number];
  const { groups: m, epsilon, iterations, tolerance = -1, domain } = attrs;
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
  const work = call.scratch(forwardWork(N, w));
  const cost = call.address(inputs.cost!);
  const mask = call.addressOr0(inputs.mask);
  const mass = call.addressOr0(inputs.columnMass);
  const start = call.addressOr0(inputs.start);

  const position = firstBad(cost, mask, N, E);
  const taken: number[] = [];
  const worst = [0, 0];
  for (let group = 0; group < m; group++) {
    const offset = group * w * BYTES;
    const own = (address: number): number => (address === 0 ? 0 : address + offset);
    taken.push(
      forward(
        own(cost),
        mask,
        own(mass),
        own(start),
        own(call.address(plan)),
        call.address(f) + group * BYTES,
        own(call.address(g)),
        own(call.address(history)),
        errors,
        work,
        N,
        E,
        m,
        w,
        epsilon,
        iterations,
        tolerance,
        domain === 'scaling' ? 1 : 0,
      ),
    );
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
  const work = call.scratch(backwardWork(N, w));
  const steps = [...call.ints(call.address(inputs.steps!), m)];
  const mask = call.addressOr0(inputs.mask);
  const mass = call.addressOr0(inputs.columnMass);
  const tensors = [inputs.plan!, inputs.history!, inputs.cotangent!, gradient].map(info =>
    call.address(info),
  );
  for (let group = 0; group < m; group++) {
    const offset = group * w * BYTES;
    backward(
      call.address(inputs.cost!) + offset,
      mask,
      mass === 0 ? 0 : mass + offset,
      ...tensors.map(address => address + offset),
      work,
      N,
      E,
      w,
      epsilon,
      kind === 'detached' ? 0 : steps[group]!,
    );
  }
  return [gradient];
}
