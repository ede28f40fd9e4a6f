/** Sinkhorn in plain float64 loops, as the method is written: what the tests hold every kernel against. */

export interface PlainProblem {
  /** [N,E] row-major. */
  readonly cost: ArrayLike<number>;
  readonly tokens: number;
  readonly experts: number;
  readonly epsilon: number;
  readonly iterations: number;
  readonly mask?: ArrayLike<number> | undefined;
  readonly columnMass?: ArrayLike<number> | undefined;
  /** In units of the cost. */
  readonly start?: ArrayLike<number> | undefined;
}

/** [N,E] the plan. */
export function plainSinkhorn(problem: PlainProblem): Float64Array {
  const { cost, tokens, experts: E, epsilon, iterations, mask, columnMass, start } = problem;
  const live = Array.from({ length: tokens }, (_, t) => t).filter(t => (mask?.[t] ?? 1) > 0);
  const mass = Array.from({ length: E }, (_, e) => columnMass?.[e] ?? 1);
  const total = mass.reduce((a, b) => a + b, 0);
  const logB = mass.map(b => Math.log((b / total) * live.length));
  const open = Array.from({ length: E }, (_, e) => e).filter(e => mass[e]! > 0);
  const M = (t: number, e: number) => -cost[t * E + e]! / epsilon;
  const g = mass.map((b, e) => (b > 0 ? (start?.[e] ?? 0) / epsilon : Number.NEGATIVE_INFINITY));
  const f = new Float64Array(tokens);
  const rows = () => {
    for (const t of live) f[t] = -logSumExp(open.map(e => g[e]! + M(t, e)));
  };
  rows();
  for (let i = 0; i < iterations && live.length > 0; i++) {
    for (const e of open) g[e] = logB[e]! - logSumExp(live.map(t => f[t]! + M(t, e)));
    rows();
  }
  const plan = new Float64Array(tokens * E);
  for (const t of live) for (const e of open) plan[t * E + e] = Math.exp(f[t]! + g[e]! + M(t, e));
  return plan;
}

/** [N,E] the gradient of ⟨plan, cotangent⟩ with respect to the cost, by central differences. */
export function plainGradient(problem: PlainProblem, cotangent: ArrayLike<number>): Float64Array {
  const cost = Float64Array.from(problem.cost);
  const step = 1e-5 * problem.epsilon;
  const value = () =>
    plainSinkhorn({ ...problem, cost }).reduce((sum, p, i) => sum + (p === 0 ? 0 : p * cotangent[i]!), 0);
  return cost.map((at, i) => {
    cost[i] = at + step;
    const above = value();
    cost[i] = at - step;
    const below = value();
    cost[i] = at;
    return (above - below) / (2 * step);
  });
}

function logSumExp(values: readonly number[]): number {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}
