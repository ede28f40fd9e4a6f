/** Gram orthogonality of what the experts serve: comparable between all routers, also those without vectors. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, checkLength, isToken } from './assignment.ts';
import { gramOrthogonality } from './gram.ts';

export interface Hidden {
  /** [N,width] hidden states that the router read. */
  readonly data: Float32Array | Float64Array;
  readonly width: number;
}

/** Sums of hidden states: over all tokens, and over the tokens each expert serves. */
export class CentroidSums {
  readonly experts: number;
  readonly width: number;
  readonly all: Float64Array;
  readonly byExpert: Float64Array;
  readonly served: Float64Array;
  tokens = 0;

  constructor(experts: number, width: number) {
    this.experts = experts;
    this.width = width;
    this.all = new Float64Array(width);
    this.byExpert = new Float64Array(experts * width);
    this.served = new Float64Array(experts);
  }

  add(assignment: Assignment, hidden: Hidden): void {
    const where = 'centroidOrthogonality';
    const rows = checkAssignment(assignment, this.experts, where);
    const { width } = this;
    checkValue(hidden.width === width, `hidden width is ${hidden.width}, was ${width} before.`, where);
    checkLength(hidden.data, rows * width, 'hidden.data', where);
    const { indices, slots, mask } = assignment;
    for (let t = 0; t < rows; t++) {
      if (!isToken(mask, t)) continue;
      this.tokens++;
      for (let d = 0; d < width; d++) this.all[d] = this.all[d]! + hidden.data[t * width + d]!;
      for (let j = 0; j < slots; j++) {
        const e = indices[t * slots + j]!;
        if (e < 0) continue;
        this.served[e] = this.served[e]! + 1;
        for (let d = 0; d < width; d++) {
          this.byExpert[e * width + d] = this.byExpert[e * width + d]! + hidden.data[t * width + d]!;
        }
      }
    }
  }

  /**
   * Orthogonality of (mean hidden state of e's tokens) − (mean hidden state of all tokens) over the U experts that
   * serve any; null for U < 2 unless E = 1 (then 1). Since the offsets nearly cancel, at best about 1 − 1/(U − 1).
   */
  orthogonality(): number | null {
    if (this.experts === 1) return 1;
    const { width } = this;
    const used = [...this.served.keys()].filter(e => this.served[e]! > 0);
    if (used.length < 2) return null;
    const centroids = new Float64Array(used.length * width);
    for (const [row, e] of used.entries()) {
      for (let d = 0; d < width; d++) {
        centroids[row * width + d] =
          this.byExpert[e * width + d]! / this.served[e]! - this.all[d]! / this.tokens;
      }
    }
    return gramOrthogonality(centroids, used.length, width).orthogonality;
  }
}

/**
 * Centroid orthogonality of one batch. Experts that serve no token have no centroid and are left out: read it beside
 * the unused rate.
 */
export function centroidOrthogonality(
  assignment: Assignment,
  hidden: Hidden,
  experts: number,
): number | null {
  const sums = new CentroidSums(experts, hidden.width);
  sums.add(assignment, hidden);
  return sums.orthogonality();
}
