/** What a run's last evaluation tells of its experts, gathered batch by batch. */
import type { RoutingObservation } from '@spectra/monitor';
import { ExpertKeywords, type HeldOutBatch, type TrainingData } from '@spectra/trainer';

/** Bins of the positions in a row, for the heat map. */
export const POSITION_BINS = 32;

/** Of the last layer, under the causal rule; and how exact the training rule's plan is, over all layers. */
export class ExpertTally {
  readonly keywords: ExpertKeywords;
  readonly served: Float64Array;
  readonly losses: Float64Array;
  /** [bins][E] slots. */
  readonly positions: Float64Array[];
  rowError: number | null = null;
  columnError: number | null = null;
  private readonly vectorSums: Float64Array[] = [];
  private readonly experts: number;
  private readonly groups: number;
  private vectorTokens = 0;

  /** `groups`: of experts, in each of which a row of the plan sums to 1. */
  constructor(experts: number, groups: number, data: Pick<TrainingData, 'tokenizer'>) {
    this.experts = experts;
    this.groups = groups;
    this.keywords = new ExpertKeywords(experts, data.tokenizer);
    this.served = new Float64Array(experts);
    this.losses = new Float64Array(experts);
    this.positions = Array.from({ length: POSITION_BINS }, () => new Float64Array(experts));
  }

  addCausal(batch: HeldOutBatch, decisions: readonly RoutingObservation[], tokenLosses: Float32Array): void {
    const { tokens } = batch;
    const last = decisions.at(-1)!;
    this.keywords.add(batch, last);
    for (let t = 0; t < tokens.documents.length; t++) {
      if (tokens.documents[t]! < 0) continue;
      const bin = Math.floor(((t % tokens.length) * POSITION_BINS) / tokens.length);
      for (let j = 0; j < last.slots; j++) {
        const expert = last.indices[t * last.slots + j]!;
        if (expert < 0) continue;
        this.served[expert]! += 1;
        this.losses[expert]! += tokenLosses[t]!;
        this.positions[bin]![expert]! += 1;
      }
    }
    this.addVectors(decisions, tokens.documents.filter(d => d >= 0).length);
  }

  /** P of the training rule: in each of m groups its rows should sum to 1, and its columns to m·N/E. */
  addTraining({ tokens }: HeldOutBatch, decisions: readonly RoutingObservation[]): void {
    const size = this.experts / this.groups;
    const live = tokens.documents.reduce((n, d) => n + (d >= 0 ? 1 : 0), 0);
    for (const { probabilities } of decisions) {
      if (probabilities === undefined) continue;
      const columns = new Float64Array(this.experts);
      for (let t = 0; t < tokens.documents.length; t++) {
        if (tokens.documents[t]! < 0) continue;
        for (let from = 0; from < this.experts; from += size) {
          let row = 0;
          for (let e = from; e < from + size; e++) {
            const value = probabilities[t * this.experts + e]!;
            row += value;
            columns[e]! += value;
          }
          this.rowError = Math.max(this.rowError ?? 0, Math.abs(row - 1));
        }
      }
      const share = (live * this.groups) / this.experts;
      const worst = columns.reduce((most, sum) => Math.max(most, Math.abs(sum - share) / share), 0);
      this.columnError = Math.max(this.columnError ?? 0, worst);
    }
  }

  /** [layers][E][D] unit vectors; null where the router has none. */
  vectors(): number[][][] | null {
    if (this.vectorSums.length === 0) return null;
    return this.vectorSums.map(sums => {
      const width = sums.length / this.experts;
      return Array.from({ length: this.experts }, (_, e) => {
        const row = Array.from(sums.subarray(e * width, (e + 1) * width), sum => sum / this.vectorTokens);
        const norm = Math.hypot(...row);
        return row.map(value => (norm > 0 ? value / norm : 0));
      });
    });
  }

  private addVectors(decisions: readonly RoutingObservation[], tokens: number): void {
    if (decisions.some(({ expertVectors }) => expertVectors === undefined)) return;
    for (const [layer, { expertVectors }] of decisions.entries()) {
      const sums = (this.vectorSums[layer] ??= new Float64Array(expertVectors!.length));
      for (let i = 0; i < sums.length; i++) sums[i]! += tokens * expertVectors![i]!;
    }
    this.vectorTokens += tokens;
  }
}
