/** Softmax top-k that reads a recurrent context instead of the token itself. */
import {
  type HostStatistics,
  type RouteContext,
  type Router,
  type RouterState,
  type Routing,
  type SoftmaxTopKOptions,
  SoftmaxTopKRouter,
} from '@spectra/routing';
import { checkShape, Parameter, type Rng } from '@spectra/tensor';
import type { Tensor2D, Tensor3D, TensorContainer } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Recurrence } from './options.ts';
import { RouterRecurrence } from './router-recurrence.ts';
import { everyLayer } from './spectra-routers.ts';

/** What both kinds are told; losses, gates and k as for `SoftmaxTopKRouter`. */
export interface RecurrentRoutersOptions
  extends Pick<SoftmaxTopKOptions, 'experts' | 'hidden' | 'k' | 'normalise' | 'balanceLoss' | 'zLoss'> {
  readonly layers: number;
}

interface Parts {
  readonly kind: string;
  /** H */
  readonly hidden: number;
  readonly recurrence: RouterRecurrence;
  /** [G,H] what the recurrence reads of a token; the token itself if none. */
  readonly projection?: Parameter;
  /** On the context: its `hidden` is the recurrence's state size. */
  readonly gate: SoftmaxTopKRouter;
  readonly layer: number;
}

/**
 * h = recurrence(x), P = softmax(h·Wᵀ), the k most probable experts; gates and losses are those of `SoftmaxTopKRouter`.
 * A token's route depends on itself and its past, so it is causal in every mode. No state between steps.
 */
export class RecurrentTopKRouter implements Router {
  readonly kind: string;
  readonly experts: number;
  readonly slots: number;
  private readonly parts: Parts;

  /** Takes its parts as they are; `rmoeRouters` and `gruSwitchRouters` make them. */
  constructor(parts: Parts) {
    this.kind = parts.kind;
    this.parts = parts;
    this.experts = parts.gate.experts;
    this.slots = parts.gate.slots;
  }

  parameters(): Parameter[] {
    const { recurrence, projection, gate } = this.parts;
    return [
      ...recurrence.parameters(),
      ...(projection === undefined ? [] : [projection]),
      ...gate.parameters(),
    ];
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    const { kind, hidden, recurrence, projection, gate, layer } = this.parts;
    checkShape(x.shape, [-1, -1, hidden], kind);
    const [batch, length] = x.shape;
    if (context.mask !== undefined) checkShape(context.mask.shape, [batch, length], `${kind} mask`);
    return tf.tidy(() => {
      const input = projection === undefined ? x : projected(x, projection);
      const { output, carry, cache } = recurrence.run(input, context, layer);
      return {
        ...gate.route(output, context),
        ...(carry === undefined ? {} : { carry }),
        ...(cache === undefined ? {} : { cache }),
      } as unknown as TensorContainer;
    }) as unknown as Routing;
  }

  commit(statistics: readonly HostStatistics[], rho?: number): void {
    this.parts.gate.commit(statistics, rho);
  }

  state(): RouterState {
    return this.parts.gate.state();
  }

  loadState(state: RouterState): void {
    this.parts.gate.loadState(state);
  }
}

function projected(x: Tensor3D, projection: Parameter): Tensor3D {
  const [batch, length, hidden] = x.shape;
  const rows = tf.reshape(x, [batch * length, hidden]) as Tensor2D;
  const weight = projection.variable as unknown as Tensor2D;
  return tf.reshape(tf.matMul(rows, weight, false, true), [batch, length, -1]) as Tensor3D;
}

export interface RmoeRoutersOptions extends RecurrentRoutersOptions {
  /** p, the width of projection and state; 128 by default. */
  readonly stateSize?: number;
}

/**
 * The layerwise recurrent router (RMoE: Qiu et al. 2025, "Layerwise Recurrent Router for Mixture-of-Experts", equations 4–6;
 * p = 128 and α = 0.01 are the paper's), one per layer from below: x' = V_l x, h_l = GRU(x', h_{l−1}) with
 * one GRU for all layers and h = 0 below the first, P = softmax(W_l h_l). Each layer has its V (`projection.weight`) and W
 * (`gate.weight`).
 *
 * @param prefix of parameter names, given the layer, or `undefined` for shared ones.
 * @param wanted the layers to make routers of, all by default; each is the same whichever others are made.
 */
export function rmoeRouters(
  options: RmoeRoutersOptions,
  rng: Rng,
  prefix: (layer: number | undefined) => string,
  wanted: readonly number[] = everyLayer(options.layers),
): RecurrentTopKRouter[] {
  const { layers: _, stateSize = 128, hidden, ...gate } = options;
  const shape = { hidden: stateSize, stateSize, recurrence: 'depth' } as const;
  const recurrence = new RouterRecurrence(shape, rng, prefix(undefined));
  const bound = 1 / Math.sqrt(hidden);
  return wanted.map(layer => {
    const own = rng.split('layer', layer);
    const drawn = own.split('projection.weight').uniformTensor([stateSize, hidden], -bound, bound);
    return new RecurrentTopKRouter({
      kind: 'rmoe',
      hidden,
      recurrence,
      projection: new Parameter(`${prefix(layer)}projection.weight`, drawn, { role: 'router' }),
      gate: contextGate(gate, stateSize, own, prefix(layer)),
      layer,
    });
  });
}

export interface GruSwitchRoutersOptions extends RecurrentRoutersOptions {
  /** G; 32 by default. */
  readonly stateSize?: number;
  /** `grid` by default. */
  readonly recurrence?: Recurrence;
  /** `global`: one recurrence and a learned depth embedding for all layers; `per-layer` by default. */
  readonly sharing?: 'per-layer' | 'global';
}

/**
 * Switch whose gate reads the state of SPECTRA's recurrence: the control that tells what the context brings from what the
 * routing brings. For one `rng` and shape the recurrence's initial weights are those of `spectraRouters`.
 *
 * @param prefix of parameter names, given the layer, or `undefined` for shared ones.
 * @param wanted the layers to make routers of, all by default; each is the same whichever others are made.
 */
export function gruSwitchRouters(
  options: GruSwitchRoutersOptions,
  rng: Rng,
  prefix: (layer: number | undefined) => string,
  wanted: readonly number[] = everyLayer(options.layers),
): RecurrentTopKRouter[] {
  const { layers, stateSize = 32, recurrence = 'grid', sharing = 'per-layer', hidden, ...gate } = options;
  const shape = { hidden, stateSize, recurrence };
  const shared =
    sharing === 'global'
      ? new RouterRecurrence({ ...shape, depthEmbedding: layers }, rng, prefix(undefined))
      : undefined;
  return wanted.map(layer => {
    const own = rng.split('layer', layer);
    return new RecurrentTopKRouter({
      kind: 'gru-switch',
      hidden,
      recurrence: shared ?? new RouterRecurrence(shape, own, prefix(layer)),
      gate: contextGate(gate, stateSize, own, prefix(layer)),
      layer,
    });
  });
}

/** A state lies in (−1, 1), so its gate starts wider than one on normed tokens. */
const GATE_DEVIATION = 0.3;

function contextGate(
  options: Omit<SoftmaxTopKOptions, 'hidden'>,
  stateSize: number,
  rng: Rng,
  prefix: string,
): SoftmaxTopKRouter {
  const initial = { rng: rng.split('gate'), deviation: GATE_DEVIATION };
  return new SoftmaxTopKRouter({ ...options, ...initial, hidden: stateSize, prefix });
}
