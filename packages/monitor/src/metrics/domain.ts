/** What experts have to do with the texts' domains; each dispatched slot is one observation. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, checkLength, isToken } from './assignment.ts';

export interface DomainMetrics {
  /** [E,domains] P(e|d)/P(e): 1 where they are independent; NaN for an expert or domain without slots. */
  readonly affinity: Float64Array;
  /** [E] max_d P(d|e); NaN for an expert without slots. */
  readonly purity: Float64Array;
  /** I(E;D) in nats. */
  readonly mutualInformation: number;
  /** I/√(H(E)H(D)); 1 where both have one value, 0 where only one has. */
  readonly nmi: number;
}

/** Slots by expert and domain, [E,domains]. Tokens of a negative domain have no label. Adds to `into` if given. */
export function countDomains(
  assignment: Assignment,
  domains: ArrayLike<number>,
  domainCount: number,
  experts: number,
  into: Float64Array = new Float64Array(experts * domainCount),
): Float64Array {
  const where = 'countDomains';
  const rows = checkAssignment(assignment, experts, where);
  checkLength(domains, rows, 'domains', where);
  const { indices, slots, mask } = assignment;
  for (let t = 0; t < rows; t++) {
    if (!isToken(mask, t) || domains[t]! < 0) continue;
    const d = domains[t]!;
    if (!(d < domainCount)) checkValue(false, `domains[${t}] is ${d}, of ${domainCount} domains.`, where);
    for (let j = 0; j < slots; j++) {
      const e = indices[t * slots + j]!;
      if (e >= 0) into[e * domainCount + d] = into[e * domainCount + d]! + 1;
    }
  }
  return into;
}

/** −Σ p log p of counts with sum `total`. */
function entropy(counts: Float64Array, total: number): number {
  let sum = 0;
  for (const n of counts) if (n > 0) sum -= (n / total) * Math.log(n / total);
  return sum;
}

const used = (counts: Float64Array): number => counts.reduce((n, count) => n + (count > 0 ? 1 : 0), 0);

/** Domain metrics of slot counts [E,domains]. Throws `VALUE` where no labelled slot was dispatched. */
export function domainMetrics(counts: Float64Array, experts: number): DomainMetrics {
  const where = 'domainMetrics';
  const domains = counts.length / experts;
  checkValue(Number.isInteger(domains), `${counts.length} counts are no rows of ${experts} experts.`, where);
  const byExpert = new Float64Array(experts);
  const byDomain = new Float64Array(domains);
  let total = 0;
  for (const [i, n] of counts.entries()) {
    const e = Math.floor(i / domains);
    byExpert[e] = byExpert[e]! + n;
    byDomain[i % domains] = byDomain[i % domains]! + n;
    total += n;
  }
  checkValue(total > 0, 'no slot of a labelled token was dispatched.', where);

  const affinity = new Float64Array(counts.length);
  const purity = new Float64Array(experts);
  let information = 0;
  for (let e = 0; e < experts; e++) {
    const row = counts.subarray(e * domains, (e + 1) * domains);
    purity[e] = byExpert[e]! > 0 ? Math.max(...row) / byExpert[e]! : Number.NaN;
    for (let d = 0; d < domains; d++) {
      const ratio = (row[d]! * total) / (byExpert[e]! * byDomain[d]!);
      affinity[e * domains + d] = ratio;
      if (row[d]! > 0) information += (row[d]! / total) * Math.log(ratio);
    }
  }
  const mutualInformation = Math.max(0, information);
  const oneExpert = used(byExpert) === 1;
  const oneDomain = used(byDomain) === 1;
  const nmi =
    oneExpert || oneDomain
      ? Number(oneExpert && oneDomain)
      : mutualInformation / Math.sqrt(entropy(byExpert, total) * entropy(byDomain, total));
  return { affinity, purity, mutualInformation, nmi };
}
