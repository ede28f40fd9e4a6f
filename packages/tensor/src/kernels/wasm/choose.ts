/**
 * Which compilation of the kernels runs on this machine. Decided once, by trying: the 256-bit one must give the same
 * bits as the plain one; of what is right, the fastest product wins. Tile sizes do not change a result.
 */
import * as binary from '../../generated/wasm.js';
import { type Compilation, canRevectorize, compileWasm } from '../../wasm-compile.ts';
import { relaxedSimd } from '../../wasm-features.ts';
import { type Bench, bench, productError, productTime, selfCheckBits } from './self-check.ts';

export interface ChosenCompilation extends Compilation {
  /** 6×16 tiles instead of 6×8. */
  readonly wideTiles: boolean;
}

/** What runs, and what was found while choosing. */
export interface WasmKernelReport {
  /** Fused multiply-add (relaxed SIMD) or the plain SIMD build. */
  readonly build: 'relaxed' | 'simd';
  /** Bits of the vectors that the machine code uses. */
  readonly vectorBits: 128 | 256;
  readonly tile: '6x8' | '6x16';
  /** Speed of a [96, 128]·[128, 128] product while choosing: a hint, not a benchmark. */
  readonly gigaflops: number;
  /** Largest error of the chosen product against float64, relative to the sum of the magnitudes. */
  readonly error: number;
  /** Why 256-bit vectors are not used; undefined where they are. */
  readonly narrowBecause: 'not available' | 'wrong results' | 'not faster' | undefined;
}

interface Choice {
  readonly compilation: ChosenCompilation;
  readonly report: WasmKernelReport;
}

let chosen: Choice | undefined;

/** How `defineWasmModule` compiles. */
export function chosenCompilation(): ChosenCompilation {
  chosen ??= choose();
  return chosen.compilation;
}

/** Which kernels run here. */
export function wasmKernelReport(): WasmKernelReport {
  chosen ??= choose();
  return chosen.report;
}

/** Sets what a fresh instance must be told: the tile size, and the constants of the vector maths. */
export function startModule(exports: unknown, wideTiles: boolean): void {
  const start = exports as { setWideTiles?(wide: number): void; keepMathConstants?(one: number): void };
  start.setWideTiles?.(wideTiles ? 1 : 0);
  start.keepMathConstants?.(1);
}

function choose(): Choice {
  const plain = bench(compileWasm(binary, { revectorize: false }));
  const narrow = timed(plain, false);
  const wide = timed(plain, true);
  // half as fast again at least: noise must not choose
  let best = { ms: narrow, bench: plain, wideTiles: false, revectorize: false };
  if (wide < narrow / 1.25) best = { ms: wide, bench: plain, wideTiles: true, revectorize: false };
  let narrowBecause: WasmKernelReport['narrowBecause'] = 'not available';
  if (canRevectorize()) {
    const revectorized = bench(compileWasm(binary, { revectorize: true }));
    const ms = timed(revectorized, true);
    if (!sameBits(plain, revectorized)) narrowBecause = 'wrong results';
    else if (ms > best.ms / 1.25) narrowBecause = 'not faster';
    else {
      narrowBecause = undefined;
      best = { ms, bench: revectorized, wideTiles: true, revectorize: true };
    }
  }
  best.bench.kernels.setWideTiles(best.wideTiles ? 1 : 0);
  return {
    compilation: { revectorize: best.revectorize, wideTiles: best.wideTiles },
    report: {
      build: relaxedSimd() ? 'relaxed' : 'simd',
      vectorBits: best.revectorize ? 256 : 128,
      tile: best.wideTiles ? '6x16' : '6x8',
      gigaflops: (2 * 96 * 128 * 128) / best.ms / 1e6,
      error: productError(best.bench),
      narrowBecause,
    },
  };
}

function timed(on: Bench, wide: boolean): number {
  on.kernels.setWideTiles(wide ? 1 : 0);
  return productTime(on);
}

function sameBits(plain: Bench, other: Bench): boolean {
  plain.kernels.setWideTiles(0);
  other.kernels.setWideTiles(1);
  const expected = selfCheckBits(plain);
  const found = selfCheckBits(other);
  return expected.every((bits, i) => bits === found[i]);
}
