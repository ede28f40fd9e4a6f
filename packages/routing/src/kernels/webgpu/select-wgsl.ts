/** WGSL shared by the selection rules: scores as ordered integers, and a token's choice as a set of bits. */
import type { SelectionSizes } from '../../selection.ts';

export const THREADS = 256;

/** One set of experts as words of 32 bits. */
export function words(experts: number): number {
  return Math.ceil(experts / 32);
}

/**
 * Constants and functions over `scores: array<u32>` (the bits of float32 [N,E]):
 * `keyOf(t, e)` rises with the score, −0 equals 0 and NaN ranks last; `bestAfter` walks a token's experts by falling
 * score, ties by rising expert; `writeSlots` writes a set of experts in that order.
 */
export function selectionFunctions({ experts, k, groups }: SelectionSizes): string {
  return `
const E = ${experts}u;
const K = ${k}u;
const GROUPS = ${groups}u;
const WIDTH = ${experts / groups}u;
const SHARE = ${k / groups}u;
const WORDS = ${words(experts)}u;
const NONE = 0xffffffffu;

fn keyOf(t: u32, e: u32) -> u32 {
  let bits = scores[t * E + e];
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0u; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

var<private> choice: array<u32, WORDS>;

fn has(e: u32) -> bool { return (choice[e >> 5u] & (1u << (e & 31u))) != 0u; }
fn put(e: u32) { choice[e >> 5u] |= 1u << (e & 31u); }
fn clearChoice() { for (var w = 0u; w < WORDS; w++) { choice[w] = 0u; } }

/** Writes the chosen experts of token t by falling score, then -1. */
fn writeSlots(t: u32) {
  for (var j = 0u; j < K; j++) {
    var best = NONE;
    var bestKey = 0u;
    for (var e = 0u; e < E; e++) {
      if (!has(e)) { continue; }
      let key = keyOf(t, e);
      if (best == NONE || key > bestKey) { best = e; bestKey = key; }
    }
    if (best == NONE) { indices[t * K + j] = -1; continue; }
    indices[t * K + j] = i32(best);
    choice[best >> 5u] &= ~(1u << (best & 31u));
  }
}

/** Puts the SHARE best admitted experts of each group into \`choice\`. */
fn choose(t: u32) {
  clearChoice();
  for (var g = 0u; g < GROUPS; g++) {
    for (var j = 0u; j < SHARE; j++) {
      var best = NONE;
      var bestKey = 0u;
      for (var e = g * WIDTH; e < (g + 1u) * WIDTH; e++) {
        if (has(e)) { continue; }
        let key = keyOf(t, e);
        if ((best == NONE || key > bestKey) && admitted(t, e, key)) { best = e; bestKey = key; }
      }
      if (best == NONE) { break; }
      put(best);
    }
  }
}
`;
}
