/**
 * The shader of expert choice with capacity.
 *
 * Stage 1, deferred acceptance in rounds: every token asks its k best experts that still admit it; an expert asked by
 * more than cap tokens raises its limit to the cap-th best of them (score, then lowest token), and whoever is below
 * the limit is refused for good. A limit per expert is all the state. The fixed point is the greedy result.
 * Stage 2, one move at a time: the best pair of a short token and an expert it lacks, and the token that makes room.
 */
import type { SelectionSizes } from '../../selection.ts';
import { selectionFunctions, THREADS } from './select-wgsl.ts';

export function quotaShader(sizes: SelectionSizes, maskType: 'f32' | 'i32' | undefined) {
  return {
    declarations: `
const THREADS = ${THREADS}u;
${selectionFunctions(sizes)}
fn live(t: u32) -> bool { return ${maskType === undefined ? 'true' : `mask[t] != ${maskType}(0)`}; }
// one for every number of live tokens; without a mask all are
fn capacityOf(tokens: u32) -> u32 { return capacities[${maskType === undefined ? '0u' : 'tokens'}]; }
${STATE}
${RAISE_LIMIT}
${SWAP}`,
    body: MAIN,
  } as const;
}

const STATE = `
var<workgroup> load: array<atomic<u32>, E>;
var<workgroup> limitKey: array<u32, E>;
var<workgroup> limitToken: array<u32, E>;
var<workgroup> liveTokens: atomic<u32>;
var<workgroup> cap: u32;
var<workgroup> flag: u32;
var<workgroup> moves: u32;

fn admitted(t: u32, e: u32, key: u32) -> bool {
  return key > limitKey[e] || (key == limitKey[e] && t <= limitToken[e]);
}

fn readChoice(t: u32) { for (var w = 0u; w < WORDS; w++) { choice[w] = held[t * WORDS + w]; } }
fn storeChoice(t: u32) { for (var w = 0u; w < WORDS; w++) { held[t * WORDS + w] = choice[w]; } }
fn holds(t: u32, e: u32) -> bool { return (held[t * WORDS + (e >> 5u)] & (1u << (e & 31u))) != 0u; }
fn room(e: u32) -> bool { return atomicLoad(&load[e]) < cap; }
`;

/** Radix selection of the cap-th best of an expert's askers, a byte of the score and then of the token at a time. */
const RAISE_LIMIT = `
var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> sums: array<u32, 256>;
var<workgroup> digit: u32;
var<workgroup> rest: u32;
var<workgroup> tied: u32;

fn raiseLimit(e: u32, i: u32) {
  var found = vec2u(0u, 0u);
  var remaining = cap;
  for (var round = 0u; round < 8u; round++) {
    let shift = 24u - 8u * (round & 3u);
    let above = select(NONE << (shift + 8u), 0u, shift == 24u);
    atomicStore(&bins[i], 0u);
    workgroupBarrier();
    for (var t = i; t < p.tokens; t += THREADS) {
      if (!holds(t, e)) { continue; }
      let key = keyOf(t, e);
      let word = select(NONE - t, key, round < 4u);
      let prefix = select(found.y, found.x, round < 4u);
      if (round >= 4u && key != found.x) { continue; }
      if (((word ^ prefix) & above) == 0u) { atomicAdd(&bins[(word >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    let mine = atomicLoad(&bins[i]);
    sums[i] = mine;
    workgroupBarrier();
    for (var step = 1u; step < 256u; step *= 2u) {
      var add = 0u;
      if (i + step < 256u) { add = sums[i + step]; }
      workgroupBarrier();
      sums[i] += add;
      workgroupBarrier();
    }
    if (sums[i] >= remaining && sums[i] - mine < remaining) {
      digit = i;
      rest = remaining - (sums[i] - mine);
      tied = mine;
    }
    workgroupBarrier();
    let chosen = workgroupUniformLoad(&digit) << shift;
    if (round < 4u) { found.x |= chosen; } else { found.y |= chosen; }
    remaining = workgroupUniformLoad(&rest);
    if (round == 3u && workgroupUniformLoad(&tied) == remaining) { break; }
  }
  if (i == 0u) {
    limitKey[e] = found.x;
    limitToken[e] = NONE - found.y;
  }
  workgroupBarrier();
}
`;

const SWAP = `
var<workgroup> topKey: array<u32, THREADS>;
var<workgroup> topTag: array<u32, THREADS>;

/** The tag with the highest key over the workgroup, ties to the lowest tag; NONE if no thread has one. */
fn best(i: u32, key: u32, tag: u32) -> u32 {
  topKey[i] = key;
  topTag[i] = tag;
  workgroupBarrier();
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    if (i < step) {
      let other = topTag[i + step];
      let otherKey = topKey[i + step];
      let better = otherKey > topKey[i] || (otherKey == topKey[i] && other < topTag[i]);
      if (other != NONE && (topTag[i] == NONE || better)) { topKey[i] = otherKey; topTag[i] = other; }
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&topTag[0]);
}

/** The expert with room in group g that the token in \`choice\` lacks and scores best, or NONE. */
fn bestRoom(t: u32, g: u32) -> u32 {
  var found = NONE;
  var foundKey = 0u;
  for (var e = g * WIDTH; e < (g + 1u) * WIDTH; e++) {
    if (has(e) || !room(e)) { continue; }
    let key = keyOf(t, e);
    if (found == NONE || key > foundKey) { found = e; foundKey = key; }
  }
  return found;
}

/** One move in group g; false if no token is short or no expert has room. */
fn swap(g: u32, i: u32) -> bool {
  if (i == 0u) {
    flag = 0u;
    for (var e = g * WIDTH; e < (g + 1u) * WIDTH; e++) { if (room(e)) { flag = 1u; } }
  }
  if (workgroupUniformLoad(&flag) == 0u) { return false; }
  var key = 0u;
  var tag = NONE;
  for (var t = i; t < p.tokens; t += THREADS) {
    if (!live(t)) { continue; }
    readChoice(t);
    var count = 0u;
    for (var e = g * WIDTH; e < (g + 1u) * WIDTH; e++) { if (has(e)) { count++; } }
    if (count >= SHARE) { continue; }
    for (var e = g * WIDTH; e < (g + 1u) * WIDTH; e++) {
      if (has(e) || room(e)) { continue; }
      let k = keyOf(t, e);
      if (tag == NONE || k > key) { key = k; tag = t * E + e; }
    }
  }
  let pair = best(i, key, tag);
  if (pair == NONE) { return false; }
  let a = pair % E;
  key = 0u;
  tag = NONE;
  for (var t = i; t < p.tokens; t += THREADS) {
    if (!holds(t, a)) { continue; }
    readChoice(t);
    if (bestRoom(t, g) == NONE) { continue; }
    let k = ~keyOf(t, a); // the lowest score, ties to the highest token
    if (tag == NONE || k >= key) { key = k; tag = NONE - 1u - t; }
  }
  let leaver = best(i, key, tag);
  if (leaver == NONE) { return false; }
  if (i == 0u) {
    let u = NONE - 1u - leaver;
    readChoice(u);
    let to = bestRoom(u, g);
    choice[a >> 5u] &= ~(1u << (a & 31u));
    put(to);
    storeChoice(u);
    readChoice(pair / E);
    put(a);
    storeChoice(pair / E);
    atomicAdd(&load[to], 1u);
    moves++;
  }
  storageBarrier();
  workgroupBarrier();
  return true;
}
`;

const MAIN = `
  let i = lane;
  for (var e = i; e < E; e += THREADS) { limitKey[e] = 0u; limitToken[e] = NONE; }
  if (i == 0u) { atomicStore(&liveTokens, 0u); moves = 0u; }
  workgroupBarrier();
  for (var t = i; t < p.tokens; t += THREADS) { if (live(t)) { atomicAdd(&liveTokens, 1u); } }
  workgroupBarrier();
  if (i == 0u) { cap = capacityOf(atomicLoad(&liveTokens)); }
  workgroupBarrier();
  loop {
    for (var e = i; e < E; e += THREADS) { atomicStore(&load[e], 0u); }
    workgroupBarrier();
    for (var t = i; t < p.tokens; t += THREADS) {
      clearChoice();
      if (live(t)) { choose(t); }
      storeChoice(t);
      for (var e = 0u; e < E; e++) { if (has(e)) { atomicAdd(&load[e], 1u); } }
    }
    storageBarrier();
    workgroupBarrier();
    if (i == 0u) {
      flag = 0u;
      for (var e = 0u; e < E; e++) { if (atomicLoad(&load[e]) > cap) { flag = 1u; } }
    }
    if (workgroupUniformLoad(&flag) == 0u) { break; }
    for (var e = 0u; e < E; e++) {
      if (i == 0u) { flag = u32(atomicLoad(&load[e]) > cap); }
      if (workgroupUniformLoad(&flag) == 1u) { raiseLimit(e, i); }
    }
  }
  for (var g = 0u; g < GROUPS; g++) {
    loop { if (!swap(g, i)) { break; } }
  }
  for (var t = i; t < p.tokens; t += THREADS) { readChoice(t); writeSlots(t); }
  if (i == 0u) {
    var placed = 0u;
    for (var e = 0u; e < E; e++) { placed += atomicLoad(&load[e]); }
    dropped[0] = i32(atomicLoad(&liveTokens) * K - placed);
    swaps[0] = i32(moves);
  }
`;
