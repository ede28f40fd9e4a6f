/** Plans of conversions, for people and for programs. */
import { tensorBytes, type UpcyclePlan } from '@spectra/upcycle';
import { formatBytes, formatCount } from './format.ts';

/** A line per tensor with its source, then what is dropped and the totals; or all of it as JSON. */
export function printPlan(plan: UpcyclePlan, json: boolean): void {
  const rows = plan.tensors.map(tensor => ({
    target: tensor.name,
    sources: tensor.sources,
    transform: tensor.transform,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes: tensorBytes(tensor),
  }));
  if (json) {
    const { config, dropped, exact, totals } = plan;
    console.log(JSON.stringify({ tensors: rows, dropped, exact, totals, config }, null, 2));
    return;
  }
  for (const { target, sources, transform, dtype, shape, bytes } of rows) {
    const from = sources.length === 0 ? '' : ` of ${sources.join(', ')}`;
    console.log(`${target} ${dtype} [${shape.join(', ')}] ${formatBytes(bytes)}: ${transform}${from}`);
  }
  printDropped(plan);
  console.log(planSummary(plan));
}

export function printDropped({ dropped }: UpcyclePlan): void {
  for (const { name, reason } of dropped) console.log(`dropped ${name}: ${reason}`);
}

export function planSummary({ totals, exact, inexactBecause, tensors }: UpcyclePlan): string {
  const { bytes, parameters, active } = totals;
  const size = `${tensors.length} tensors, ${formatBytes(bytes)}`;
  const same = exact ? 'computes the same as the source' : `differs from the source: ${inexactBecause}`;
  return `${size}, ${formatCount(parameters)} parameters, ${formatCount(active)} of them active per token; ${same}`;
}
