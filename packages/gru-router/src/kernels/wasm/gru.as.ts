/**
 * The sequential part of a GRU, forward and backward through time.
 *
 * Vectors of the state size G lie in scratch padded with zeros to P = G rounded up to 4; three gates r, z, n lie
 * P apart. Tensors keep PyTorch's layout without padding. What padding lanes compute is never stored.
 */
import { exp4, loadPart, sigmoid4, storePart, tanh4 } from '../../../../tensor/src/kernels/wasm/math.as';
import { matvec } from './matvec.as';

@inline function padded(size: i32): i32 {
  return (size + 3) & ~3;
}

/** Floats j … j+3 of a vector that ends at `size`; 0 past its end. */
@inline function read(at: usize, j: i32, size: i32): v128 {
  const p = at + (<usize>j << 2);
  return j + 4 <= size ? v128.load(p) : loadPart(p, size - j);
}

@inline function write(at: usize, j: i32, size: i32, v: v128): void {
  const p = at + (<usize>j << 2);
  if (j + 4 <= size) v128.store(p, v);
  else storePart(p, v, size - j);
}

/** weight_hh [3G,G] → [G,3P], so that U·h sums rows of it; bias_hh [3G] → [3P]. */
function packForward(G: i32, weight: usize, bias: usize, packed: usize, packedBias: usize): void {
  const P = padded(G);
  memory.fill(packed, 0, <usize>(G * 3 * P) << 2);
  memory.fill(packedBias, 0, <usize>(3 * P) << 2);
  for (let gate = 0; gate < 3; gate++) {
    for (let j = 0; j < G; j++) {
      const column = gate * P + j;
      const row = weight + (<usize>((gate * G + j) * G) << 2);
      for (let i = 0; i < G; i++) store<f32>(packed + (<usize>(i * 3 * P + column) << 2), load<f32>(row + (<usize>i << 2)));
      store<f32>(packedBias + (<usize>column << 2), load<f32>(bias + (<usize>(gate * G + j) << 2)));
    }
  }
}

/** weight_hh [3G,G] → [3P,P], so that Uᵀ·d sums rows of it. */
function packBackward(G: i32, weight: usize, packed: usize): void {
  const P = padded(G);
  memory.fill(packed, 0, <usize>(3 * P * P) << 2);
  for (let gate = 0; gate < 3; gate++) {
    for (let j = 0; j < G; j++) {
      memory.copy(packed + (<usize>((gate * P + j) * P) << 2), weight + (<usize>((gate * G + j) * G) << 2), <usize>G << 2);
    }
  }
}

/** Whether token `i` has the value 0 in `flags`; `otherwise` without flags. */
@inline function isZero(flags: usize, i: i32, otherwise: bool): bool {
  return flags == 0 ? otherwise : load<f32>(flags + (<usize>i << 2)) == 0;
}

/** Bytes of scratch for `gruForward`. */
export function gruForwardWork(G: i32): i32 {
  const P = padded(G);
  return 4 * (G * 3 * P + 7 * P);
}

/**
 * xp [B,S,3G] projected inputs with bias_ih; h0 [B,G]; mask, start [B,S] or 0 → states [B,S,G].
 */
export function gruForward(
  B: i32, S: i32, G: i32,
  xp: usize, weight: usize, bias: usize, h0: usize, mask: usize, start: usize,
  states: usize, work: usize,
): void {
  const P = padded(G);
  const gate = <usize>P << 2, gateIn = <usize>G << 2;
  const packed = work;
  const packedBias = packed + (<usize>(G * 3 * P) << 2);
  const hidden = packedBias + 3 * gate;
  const h = hidden + 3 * gate;
  packForward(G, weight, bias, packed, packedBias);
  memory.fill(h, 0, gate);
  for (let b = 0; b < B; b++) {
    memory.copy(h, h0 + b * gateIn, gateIn);
    for (let s = 0; s < S; s++) {
      const t = b * S + s;
      const out = states + t * gateIn;
      if (!isZero(start, t, true)) memory.fill(h, 0, gate);
      if (isZero(mask, t, false)) {
        memory.copy(out, h, gateIn);
        continue;
      }
      matvec(hidden, packedBias, packed, h, G, 3 * P);
      const x = xp + 3 * t * gateIn;
      for (let j = 0; j < G; j += 4) {
        const at = <usize>j << 2;
        const r = sigmoid4(f32x4.add(read(x, j, G), v128.load(hidden + at)));
        const z = sigmoid4(f32x4.add(read(x + gateIn, j, G), v128.load(hidden + gate + at)));
        const n = tanh4(f32x4.add(read(x + 2 * gateIn, j, G), f32x4.mul(r, v128.load(hidden + 2 * gate + at))));
        const next = f32x4.add(n, f32x4.mul(z, f32x4.sub(v128.load(h + at), n)));
        v128.store(h + at, next);
        write(out, j, G, next);
      }
    }
  }
}

/** The state that each position starts from, [B,S,G]; 0 where a document starts and at padding. */
export function gruPrevious(
  B: i32, S: i32, G: i32, h0: usize, mask: usize, start: usize, states: usize, previous: usize,
): void {
  const gateIn = <usize>G << 2;
  for (let b = 0; b < B; b++) {
    for (let s = 0; s < S; s++) {
      const t = b * S + s, to = previous + t * gateIn;
      if (!isZero(start, t, true) || isZero(mask, t, false)) memory.fill(to, 0, gateIn);
      else memory.copy(to, s == 0 ? h0 + b * gateIn : states + (t - 1) * gateIn, gateIn);
    }
  }
}

/** Bytes of scratch for `gruBackward`. */
export function gruBackwardWork(G: i32): i32 {
  const P = padded(G);
  return 4 * (3 * P * P + 11 * P);
}

/**
 * Back-propagation through time from the states alone; gates are computed anew. Sequential is only the cotangent of the
 * state: U·h of all positions is one matrix product before, the weights' gradient dHiddenᵀ·previous one after.
 *
 * dStates, previous [B,S,G], dHidden [B,S,3G] holding previous·Uᵀ → dxp, dHidden [B,S,3G], dBias [3G], dh0 [B,G].
 */
export function gruBackward(
  B: i32, S: i32, G: i32,
  xp: usize, weight: usize, bias: usize, previous: usize, mask: usize, start: usize, dStates: usize,
  dxp: usize, dBias: usize, dh0: usize, dHidden: usize, work: usize,
): void {
  const P = padded(G);
  const gate = <usize>P << 2, gateIn = <usize>G << 2;
  const packedBack = work;
  const d = packedBack + (<usize>(3 * P * P) << 2);
  const total = d + 3 * gate;
  const sum = total + 3 * gate;
  const dh = sum + 3 * gate;
  const kept = dh + gate;
  packBackward(G, weight, packedBack);
  memory.fill(total, 0, 3 * gate);
  memory.fill(d, 0, 3 * gate);
  for (let b = B - 1; b >= 0; b--) {
    memory.fill(dh, 0, gate);
    // a sum per sequence first: a shorter chain of roundings than one over all tokens
    memory.fill(sum, 0, 3 * gate);
    for (let s = S - 1; s >= 0; s--) {
      const t = b * S + s;
      const x = xp + 3 * t * gateIn, dx = dxp + 3 * t * gateIn, dHid = dHidden + 3 * t * gateIn;
      const h = previous + t * gateIn, dy = dStates + t * gateIn;
      const begins = !isZero(start, t, true);
      for (let j = 0; j < G; j += 4) {
        const at = <usize>j << 2;
        v128.store(dh + at, f32x4.add(v128.load(dh + at), read(dy, j, G)));
      }
      if (isZero(mask, t, false)) {
        memory.fill(dx, 0, 3 * gateIn);
        memory.fill(dHid, 0, 3 * gateIn);
        if (begins) memory.fill(dh, 0, gate);
        continue;
      }
      for (let j = 0; j < G; j += 4) {
        const at = <usize>j << 2;
        const hn = f32x4.add(read(dHid + 2 * gateIn, j, G), read(bias + 2 * gateIn, j, G));
        const ar = f32x4.add(read(x, j, G), f32x4.add(read(dHid, j, G), read(bias, j, G)));
        const az = f32x4.add(read(x + gateIn, j, G), f32x4.add(read(dHid + gateIn, j, G), read(bias + gateIn, j, G)));
        // 1 − σ(a) is 0 in float32 long before σ(−a) is
        const er = exp4(f32x4.neg(f32x4.abs(ar))), ez = exp4(f32x4.neg(f32x4.abs(az)));
        const one = f32x4.splat(1), zero = f32x4.splat(0);
        const nearR = f32x4.div(one, f32x4.add(one, er)), farR = f32x4.mul(er, nearR);
        const nearZ = f32x4.div(one, f32x4.add(one, ez)), farZ = f32x4.mul(ez, nearZ);
        const r = v128.bitselect(nearR, farR, f32x4.ge(ar, zero));
        const positive = f32x4.ge(az, zero);
        const z = v128.bitselect(nearZ, farZ, positive), notZ = v128.bitselect(farZ, nearZ, positive);
        const an = f32x4.add(read(x + 2 * gateIn, j, G), f32x4.mul(r, hn));
        const n = tanh4(an);
        // 1 − tanh²(a) = 4 e/(1 + e)² with e = exp(−2|a|), for the same reason
        const en = exp4(f32x4.mul(f32x4.splat(-2), f32x4.abs(an))), below = f32x4.div(one, f32x4.add(one, en));
        const slope = f32x4.mul(f32x4.mul(f32x4.splat(4), en), f32x4.mul(below, below));
        const g = v128.load(dh + at);
        const dn = f32x4.mul(f32x4.mul(g, notZ), slope);
        const dr = f32x4.mul(f32x4.mul(dn, hn), f32x4.mul(nearR, farR));
        const dz = f32x4.mul(f32x4.mul(g, f32x4.sub(read(h, j, G), n)), f32x4.mul(nearZ, farZ));
        const dhn = f32x4.mul(dn, r);
        write(dx, j, G, dr); write(dx + gateIn, j, G, dz); write(dx + 2 * gateIn, j, G, dn);
        write(dHid, j, G, dr); write(dHid + gateIn, j, G, dz); write(dHid + 2 * gateIn, j, G, dhn);
        v128.store(d + at, dr); v128.store(d + gate + at, dz); v128.store(d + 2 * gate + at, dhn);
        v128.store(sum + at, f32x4.add(v128.load(sum + at), dr));
        v128.store(sum + gate + at, f32x4.add(v128.load(sum + gate + at), dz));
        v128.store(sum + 2 * gate + at, f32x4.add(v128.load(sum + 2 * gate + at), dhn));
        v128.store(kept + at, f32x4.mul(g, z));
      }
      if (begins) memory.fill(dh, 0, gate);
      else matvec(dh, kept, packedBack, d, 3 * P, P);
    }
    memory.copy(dh0 + b * gateIn, dh, gateIn);
    for (let i: usize = 0; i < 3 * gate; i += 16) {
      v128.store(total + i, f32x4.add(v128.load(total + i), v128.load(sum + i)));
    }
  }
  for (let k: usize = 0; k < 3; k++) memory.copy(dBias + k * gateIn, total + k * gate, gateIn);
}
