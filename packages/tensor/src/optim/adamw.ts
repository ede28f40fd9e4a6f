/** AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019). */
import type { Tensor } from '@tensorflow/tfjs-core';
import { clone, keep, scalar, zeros } from '@tensorflow/tfjs-core';
import { checkShape, checkValue, SpectraError } from '../errors.ts';
import { adamwStep } from '../ops/adamw.ts';
import type { Parameter } from '../parameter.ts';
import type { ParameterGroup, ParameterSettings } from './parameter-group.ts';
import { settingsOf } from './parameter-group.ts';

export interface AdamWOptions {
  /** Decay rates of the first and second moment; default [0.9, 0.95]. */
  readonly betas?: readonly [number, number];
  /** Added to √v̂; default 1e-8. */
  readonly epsilon?: number;
  /** λ of w ← w − η·λ·w, for the parameters that decay; default 0.01. */
  readonly weightDecay?: number;
  /** The first group that fits a parameter decides. */
  readonly groups?: readonly ParameterGroup[];
}

interface Slot {
  readonly parameter: Parameter;
  readonly settings: ParameterSettings;
  m: Tensor;
  v: Tensor;
  /** Updates this parameter has had, for the bias correction. */
  steps: number;
}

/** The names of an optimizer's state. */
const PARTS = ['m', 'v', 'steps'] as const;

export class AdamW {
  private readonly slots = new Map<string, Slot>();
  /** Parameters that are not updated, by name: nothing is kept for them. */
  private readonly frozen = new Map<string, Parameter>();
  private readonly betas: readonly [number, number];
  private readonly epsilon: number;

  /** A parameter that is not trainable now, or whose group has the rate 0, is frozen: it gets no moments. */
  constructor(parameters: readonly Parameter[], options: AdamWOptions = {}) {
    const { betas = [0.9, 0.95], epsilon = 1e-8, weightDecay = 0.01, groups = [] } = options;
    checkValue(
      betas.every(beta => beta >= 0 && beta < 1),
      `betas must be in [0, 1), got ${betas}.`,
      'AdamW',
    );
    checkValue(epsilon > 0, `epsilon must be positive, got ${epsilon}.`, 'AdamW');
    this.betas = betas;
    this.epsilon = epsilon;
    for (const parameter of parameters) {
      const same = this.slots.get(parameter.name)?.parameter ?? this.frozen.get(parameter.name);
      checkValue(
        same === undefined || same === parameter,
        `two parameters are named ${parameter.name}.`,
        'AdamW',
      );
      if (same !== undefined) continue;
      const settings = settingsOf(parameter, groups, weightDecay);
      if (!parameter.trainable || settings.learningRateRatio === 0) {
        this.frozen.set(parameter.name, parameter);
        continue;
      }
      this.slots.set(parameter.name, {
        parameter,
        settings,
        m: keep(zeros([...parameter.shape])),
        v: keep(zeros([...parameter.shape])),
        steps: 0,
      });
    }
  }

  /**
   * Updates every parameter that has a gradient here and is not frozen:
   *
   *     g ← scale·grad,  m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²
   *     w ← w − ηλw − η·m̂ / (√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)
   *
   * The caller keeps its gradients.
   *
   * @param scale the clipping's (`clipByGlobalNorm`)
   * @throws VALUE for a gradient of an unknown parameter or a bad rate, SHAPE for one of another shape; nothing
   *   has changed then.
   */
  step(grads: ReadonlyMap<string, Tensor>, learningRate: number, scale = 1): void {
    checkValue(
      learningRate >= 0 && Number.isFinite(learningRate),
      `the learning rate is ${learningRate}.`,
      'AdamW.step',
    );
    checkValue(Number.isFinite(scale), `the gradient scale is ${scale}.`, 'AdamW.step');
    const updates: [Slot, Tensor][] = [];
    for (const [name, grad] of grads) {
      const slot = this.slots.get(name);
      const parameter = slot?.parameter ?? this.frozen.get(name);
      checkValue(parameter !== undefined, `no parameter is named ${name}.`, 'AdamW.step');
      checkShape(grad.shape, parameter.shape, `AdamW.step, gradient of ${name}`);
      if (slot !== undefined && parameter.trainable) updates.push([slot, grad]);
    }
    for (const [slot, grad] of updates) this.update(slot, grad, learningRate, scale);
  }

  private update(slot: Slot, grad: Tensor, learningRate: number, gradScale: number): void {
    const { parameter, settings } = slot;
    slot.steps++;
    const [w, m, v] = adamwStep(
      { param: parameter.variable, m: slot.m, v: slot.v, grad },
      {
        lr: learningRate * settings.learningRateRatio,
        beta1: this.betas[0],
        beta2: this.betas[1],
        eps: this.epsilon,
        weightDecay: settings.weightDecay,
        step: slot.steps,
        gradScale,
      },
    );
    parameter.variable.assign(w);
    w.dispose();
    this.replace(slot, m, v);
  }

  private replace(slot: Slot, m: Tensor, v: Tensor): void {
    slot.m.dispose();
    slot.v.dispose();
    slot.m = keep(m);
    slot.v = keep(v);
  }

  /**
   * Everything a resumed run needs: per parameter that is not frozen `<name>.m` and `<name>.v` (float32, the parameter's
   * shape) and `<name>.steps` (int32 scalar). The caller owns the tensors; read or save them before the next step.
   */
  state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [name, slot] of this.slots) {
      state.set(`${name}.m`, keep(clone(slot.m)));
      state.set(`${name}.v`, keep(clone(slot.v)));
      state.set(`${name}.steps`, keep(scalar(slot.steps, 'int32')));
    }
    return state;
  }

  /**
   * Takes over a state, bit for bit; the caller keeps its tensors. What it says of frozen parameters is passed over.
   *
   * @throws CHECKPOINT_MISMATCH for a missing, unknown or misshapen entry; nothing has changed then.
   */
  async loadState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    const known = new Set([...this.frozen.keys()].flatMap(name => PARTS.map(part => `${name}.${part}`)));
    const loads: { slot: Slot; m: Tensor; v: Tensor; steps: number }[] = [];
    for (const [name, slot] of this.slots) {
      const take = (part: (typeof PARTS)[number], shape: readonly number[], dtype: string): Tensor => {
        known.add(`${name}.${part}`);
        return entry(state, `${name}.${part}`, shape, dtype);
      };
      const m = take('m', slot.parameter.shape, 'float32');
      const v = take('v', slot.parameter.shape, 'float32');
      const steps = (await take('steps', [], 'int32').data())[0]!;
      loads.push({ slot, m, v, steps });
    }
    for (const name of state.keys()) if (!known.has(name)) throw mismatch(name, 'belongs to no parameter.');
    for (const { slot, m, v, steps } of loads) {
      this.replace(slot, clone(m), clone(v));
      slot.steps = steps;
    }
  }

  /** Releases the moments; the parameters stay. */
  dispose(): void {
    for (const { m, v } of this.slots.values()) {
      m.dispose();
      v.dispose();
    }
    this.slots.clear();
    this.frozen.clear();
  }
}

function entry(
  state: ReadonlyMap<string, Tensor>,
  name: string,
  shape: readonly number[],
  dtype: string,
): Tensor {
  const tensor = state.get(name);
  if (tensor === undefined) throw mismatch(name, 'is missing.');
  if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
    throw mismatch(
      name,
      `is ${tensor.dtype} of shape [${tensor.shape.join(', ')}], expected ${dtype} of [${shape.join(', ')}].`,
    );
  }
  return tensor;
}

function mismatch(name: string, what: string): SpectraError {
  return new SpectraError('CHECKPOINT_MISMATCH', {
    message: `the optimizer's '${name}' ${what}`,
    where: 'AdamW.loadState',
  });
}
