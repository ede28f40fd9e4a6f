/** How alike two routing decisions on the same tokens are: the training rule's and the decoding rule's, say. */
import { checkValue } from '@spectra/tensor';

/** The host side of `Routing`: [N,slots] row-major, −1 and 0 where a slot is empty. */
export interface HostSelection {
  readonly indices: Int32Array;
  readonly weights: Float32Array;
  readonly slots: number;
}

export interface Agreement {
  /** mean |A ∩ A'| / k over tokens that either rule routed, in [0, 1]. */
  readonly overlap: number;
  /** Share of those tokens whose sets are equal. */
  readonly equal: number;
  /** ½·mean Σ|w − w'| over the tokens with equal sets; 0 if there are none. */
  readonly gateDistance: number;
  /** Tokens compared. */
  readonly tokens: number;
}

/** @throws VALUE where the two are not about the same tokens. */
export function agreement(a: HostSelection, b: HostSelection): Agreement {
  const { slots } = a;
  checkValue(
    slots > 0 && b.slots === slots,
    `${a.slots} slots cannot be compared with ${b.slots}.`,
    'agreement',
  );
  const sizes = [a.indices, a.weights, b.indices, b.weights].map(array => array.length);
  checkValue(
    sizes.every(size => size === sizes[0]) && sizes[0]! % slots === 0,
    `the two decisions have ${sizes.join(', ')} elements.`,
    'agreement',
  );
  let [tokens, common, equal, distance] = [0, 0, 0, 0];
  const gates = new Map<number, number>();
  for (let at = 0; at < a.indices.length; at += slots) {
    gates.clear();
    for (let j = at; j < at + slots; j++) if (a.indices[j]! >= 0) gates.set(a.indices[j]!, a.weights[j]!);
    let [chosen, shared, apart] = [0, 0, 0];
    for (let j = at; j < at + slots; j++) {
      if (b.indices[j]! < 0) continue;
      chosen++;
      const gate = gates.get(b.indices[j]!);
      if (gate === undefined) continue;
      shared++;
      apart += Math.abs(gate - b.weights[j]!);
    }
    if (gates.size === 0 && chosen === 0) continue; // padding
    tokens++;
    common += shared;
    if (shared === gates.size && shared === chosen) {
      equal++;
      distance += apart / 2;
    }
  }
  return {
    overlap: tokens === 0 ? 1 : common / (tokens * slots),
    equal: tokens === 0 ? 1 : equal / tokens,
    gateDistance: equal === 0 ? 0 : distance / equal,
    tokens,
  };
}
