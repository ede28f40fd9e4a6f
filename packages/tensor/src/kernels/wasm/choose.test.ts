import { describe, expect, test } from 'vitest';
import * as binary from '../../generated/wasm.js';
import { canRevectorize, compileWasm } from '../../wasm-compile.ts';
import { relaxedSimd } from '../../wasm-features.ts';
import { chosenCompilation, wasmKernelReport } from './choose.ts';
import { bench, productError, selfCheckBits } from './self-check.ts';

/** The build for engines without fused multiply-add, whatever this engine has. */
const simdOnly = { simd: binary.simd, relaxed: binary.simd };

describe('the builds of the kernels', () => {
  test.each(relaxedSimd() ? ['simd', 'relaxed'] : ['simd'])(
    '%s is exact, both tile sizes to the bit',
    build => {
      const on = bench(compileWasm(build === 'simd' ? simdOnly : binary, { revectorize: false }));
      const bits = [0, 1].map(wide => {
        on.kernels.setWideTiles(wide);
        expect(productError(on)).toBeLessThan(1e-6);
        return selfCheckBits(on);
      });
      expect(bits[1]).toEqual(bits[0]);
    },
  );

  test('256-bit vectors, where V8 makes them, give the bits of 128-bit ones', () => {
    if (!canRevectorize()) return;
    const [plain, wide] = [false, true].map(revectorize => bench(compileWasm(binary, { revectorize })));
    expect(selfCheckBits(wide!)).toEqual(selfCheckBits(plain!));
  });

  test('the choice is reported', () => {
    const report = wasmKernelReport();
    expect(report.error).toBeLessThan(1e-6);
    expect(report.narrowBecause).not.toBe('wrong results');
    expect(report.vectorBits).toBe(chosenCompilation().revectorize ? 256 : 128);
    expect(report.tile).toBe(chosenCompilation().wideTiles ? '6x16' : '6x8');
  });

  test('the self-check notices a wrong result', () => {
    const on = bench(compileWasm(binary, { revectorize: false }));
    const right = selfCheckBits(on);
    const gemm = on.kernels.gemm;
    const broken = {
      ...on,
      kernels: {
        ...on.kernels,
        gemm: (...args: Parameters<typeof gemm>) => {
          gemm(...args);
          on.floats[args[9]! / 4]! += 1e-6;
        },
      },
    };
    expect(selfCheckBits(broken)).not.toEqual(right);
    expect(productError(broken)).toBeGreaterThan(productError(on));
  });
});
