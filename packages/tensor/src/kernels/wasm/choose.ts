/**
 * Which compilation of the kernels runs on this machine. Decided once, by trying: the 256-bit one must give the same
 * bits as the plain one; of what is right, the fastest product wins. Tile sizes do not change a result.
 */
import * as binary from '../../generated/wasm.js';
import { type Compilation, canRevectorize, compileWasm } from '../../wasm-compile.ts';
import { relaxedSimd } from '../../wasm-features.ts';
import { type Bench, bench, PRODUCT_FLOPS, productError, productTime, selfCheckBits } from './self-check.ts';

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

/** How the kernels are compiled here; with `SPECTRA_KERNELS=reference`, how they would be. */
export function wasmKernelReport(): WasmKernelReport {
  chosen ??= choose();
  return chosen.report;
}

/** The report in words, e.g. `fused: relaxed SIMD, 256-bit vectors, 6x16 tiles`. */
export function describeWasmKernels(): string {
  const { build, vectorBits, tile } = wasmKernelReport();
  return `fused: ${build === 'relaxed' ? 'relaxed SIMD' : 'SIMD'}, ${vectorBits}-bit vectors, ${tile} tiles`;
}

/** What a module exports that must be told something before its first call. */
interface Start {
  setWideTiles?(wide: number): void;
  mathConstantBytes?(): number;
  setMathConstants?(address: number): void;
}

/**
 * Tells a fresh instance the tile size and where its constants stand. `allocate` gives an address in its memory whose
 * bytes are the instance's for as long as it lives.
 */
export function startModule(exports: unknown, wideTiles: boolean, allocate: (bytes: number) => number): void {
  const start = exports as Start;
  start.setWideTiles?.(wideTiles ? 1 : 0);
  if (start.mathConstantBytes !== undefined) {
    start.setMathConstants?.(allocate(start.mathConstantBytes()));
  }
}

function choose(): Choice {
  const plain = bench(compileWasm(binary, { revectorize: false }));
  const candidates: Candidate[] = [
    { on: plain, wideTiles: false, revectorize: false },
    { on: plain, wideTiles: true, revectorize: false },
  ];
  let narrowBecause: WasmKernelReport['narrowBecause'] = 'not available';
  if (canRevectorize()) {
    const on = bench(compileWasm(binary, { revectorize: true }));
    if (sameBits(plain, on)) {
      narrowBecause = 'not faster';
      candidates.push({ on, wideTiles: true, revectorize: true });
    } else narrowBecause = 'wrong results';
  }
  const times = race(candidates);
  const fastest = times.indexOf(Math.min(...times));
  const { on, wideTiles, revectorize } = candidates[fastest] as Candidate;
  on.kernels.setWideTiles(wideTiles ? 1 : 0);
  return {
    compilation: { revectorize, wideTiles },
    report: {
      build: relaxedSimd() ? 'relaxed' : 'simd',
      vectorBits: revectorize ? 256 : 128,
      tile: wideTiles ? '6x16' : '6x8',
      gigaflops: PRODUCT_FLOPS / (times[fastest] as number) / 1e6,
      error: productError(on),
      narrowBecause: revectorize ? undefined : narrowBecause,
    },
  };
}

interface Candidate extends ChosenCompilation {
  readonly on: Bench;
}

/**
 * The shortest time of each, in turns: other work on the machine then delays all alike. A candidate that does not
 * suit the machine is half as fast, so near ties do not matter.
 */
function race(candidates: readonly Candidate[]): number[] {
  const times = candidates.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < 10; round++) {
    candidates.forEach(({ on, wideTiles }, i) => {
      on.kernels.setWideTiles(wideTiles ? 1 : 0);
      times[i] = Math.min(times[i] as number, productTime(on));
    });
  }
  return times;
}

function sameBits(plain: Bench, other: Bench): boolean {
  plain.kernels.setWideTiles(0);
  other.kernels.setWideTiles(1);
  const expected = selfCheckBits(plain);
  const found = selfCheckBits(other);
  return expected.every((bits, i) => bits === found[i]);
}
