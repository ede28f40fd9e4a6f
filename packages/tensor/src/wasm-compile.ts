/**
 * How the kernels are compiled: which build, and on Node with which V8 flags.
 *
 * V8's revectoriser joins pairs of adjacent 128-bit operations to 256-bit ones, which doubles a matrix product on
 * AVX2. It is experimental, so it is asked for only while our own modules compile, and used only if the code it made
 * gives the same bits as the code without it, and sooner (`chooseCompilation`).
 */
import { relaxedSimd } from './wasm-features.ts';

/** A module's two builds as base64, made by `tools/generate.mjs` from AssemblyScript. */
export interface WasmBinary {
  readonly simd: string;
  readonly relaxed: string;
}

/** What `compileWasm` may do beyond the engine's defaults. */
export interface Compilation {
  /** Ask V8 for 256-bit vectors. Only Node has a way to ask. */
  readonly revectorize: boolean;
}

type FlagSetter = (flags: string) => void;

/** V8's flag setter on a Node whose flags we know (24 and later); undefined elsewhere. */
function flagSetter(): FlagSetter | undefined {
  const node = (globalThis as { process?: NodeJS.Process }).process;
  const major = Number.parseInt(node?.versions?.node ?? '', 10);
  if (node === undefined || !(major >= 24) || node.versions.v8 === undefined) return undefined;
  const v8 = node.getBuiltinModule?.('node:v8');
  return v8 === undefined ? undefined : flags => v8.setFlagsFromString(flags);
}

/** Whether this engine may know how to use 256-bit vectors; `SPECTRA_WASM_REVECTORIZE=0` turns them off. */
export function canRevectorize(): boolean {
  const node = (globalThis as { process?: NodeJS.Process }).process;
  return (
    relaxedSimd() &&
    node?.arch === 'x64' &&
    node.env?.SPECTRA_WASM_REVECTORIZE !== '0' &&
    flagSetter() !== undefined
  );
}

/** Compiles the build that this engine can run. On Node ≥ 24 at once with the optimising compiler: no slow start. */
export function compileWasm(binary: WasmBinary, { revectorize }: Compilation): WebAssembly.Module {
  let bytes = decodeBase64(relaxedSimd() ? binary.relaxed : binary.simd);
  // V8 shares code between modules of the same bytes, whatever the flags were
  if (revectorize) bytes = withMark(bytes);
  const set = flagSetter();
  if (set === undefined) return new WebAssembly.Module(bytes);
  try {
    set('--no-wasm-lazy-compilation');
    set('--no-liftoff');
    if (revectorize) set('--experimental-wasm-revectorize');
    return new WebAssembly.Module(bytes);
  } finally {
    if (revectorize) set('--no-experimental-wasm-revectorize');
    set('--liftoff');
    set('--wasm-lazy-compilation');
  }
}

/** The same module with an empty custom section named "v256". */
function withMark(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const mark = [0, 5, 4, 0x76, 0x32, 0x35, 0x36];
  const out = new Uint8Array(bytes.length + mark.length);
  out.set(bytes);
  out.set(mark, bytes.length);
  return out;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), c => c.charCodeAt(0));
}
