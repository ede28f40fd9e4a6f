/** The sides of a case, made ready and held against each other. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ArrayFile, type Arrays, largestDifference, readArrays, writeArrays } from './arrays.ts';
import { type BenchCase, type PeerName, paramsOf } from './cases.ts';
import { inputsOf } from './inputs.ts';
import { isSlowToAgree, oursCommand, peerCommand, type SidePool } from './peers.ts';
import type { Params } from './protocol.ts';
import type { Side } from './side.ts';

/** Sides must agree to this, relative to the largest magnitude of each array, before any is timed. */
const TOLERANCE = 1e-4;

export interface ReadySettings {
  readonly pool: SidePool;
  /** For inputs and outputs. */
  readonly folder: string;
  readonly quick: boolean;
}

/** A side that holds the case. */
export interface Contestant {
  readonly side: Side;
  readonly version: string | null;
  /** Milliseconds of its runs so far. */
  readonly times: number[];
}

export interface Ready {
  readonly all: readonly Contestant[];
  ours(backend: string): Contestant;
  /** A string says why it is absent. */
  peer(peer: PeerName, backend: string): Contestant | string;
  release(): Promise<void>;
}

/** @throws where ours fails or two sides do not agree. */
export async function makeReady(
  bench: BenchCase,
  backends: readonly string[],
  settings: ReadySettings,
): Promise<Ready> {
  const preparation = new Preparation(bench, settings);
  // peers that are started alike for two backends are one
  const key = (peer: PeerName, backend: string) =>
    JSON.stringify([peer, peerCommand(peer, bench.kind, backend)]);
  const ours = new Map<string, Contestant>();
  const peers = new Map<string, Contestant | string>();
  const all = () => [...ours.values(), ...peers.values()].filter(c => typeof c !== 'string');
  const release = async () => {
    for (const { side } of all()) await side.ask({ op: 'release' }).catch(() => undefined);
  };
  try {
    for (const backend of backends) {
      ours.set(backend, await preparation.ours(backend));
    }
    for (const [backend, peer] of backends.flatMap(b => bench.peers.map(p => [b, p] as const))) {
      if (peers.has(key(peer, backend))) continue;
      peers.set(key(peer, backend), await preparation.peer(peer, backend));
    }
  } catch (error) {
    await release();
    throw error;
  } finally {
    preparation.end();
  }
  return {
    all: all(),
    ours: backend => ours.get(backend)!,
    peer: (peer, backend) => peers.get(key(peer, backend))!,
    release,
  };
}

class Preparation {
  private readonly bench: BenchCase;
  private readonly settings: ReadySettings;
  private readonly full: Sized;
  /** For peers whose run takes minutes at full size. */
  private readonly small: Sized | undefined;

  constructor(bench: BenchCase, settings: ReadySettings) {
    this.bench = bench;
    this.settings = settings;
    this.full = this.sized('full', settings.quick);
    if (bench.peers.some(peer => isSlowToAgree(peer, bench.kind))) this.small = this.sized('small', true);
  }

  end(): void {
    for (const sized of [this.full, this.small]) if (sized !== undefined) rmSync(sized.inputs.path);
  }

  async ours(backend: string): Promise<Contestant> {
    const side = this.settings.pool.get(oursCommand(backend), 'ours');
    if (this.small !== undefined) await this.agree(side, this.small, {});
    const version = await this.agree(side, this.full, {}, false);
    return { side, version, times: [] };
  }

  /** A peer that fails is absent with the reason, one that computes something else is an error. */
  async peer(peer: PeerName, backend: string): Promise<Contestant | string> {
    const command = peerCommand(peer, this.bench.kind, backend);
    if (typeof command === 'string') return command;
    const side = this.settings.pool.get(command, peer);
    const overrides: Params = peer === 'one-worker' ? { workers: 1 } : {};
    try {
      if (!isSlowToAgree(peer, this.bench.kind)) {
        return { side, version: await this.agree(side, this.full, overrides, false), times: [] };
      }
      await this.agree(side, this.small!, overrides);
      const { version } = await this.prepare(side, this.full, overrides, false);
      return { side, version, times: [] };
    } catch (error) {
      if (error instanceof Disagreement) throw error;
      return errorLine((error as Error).message);
    }
  }

  private sized(name: string, quick: boolean): Sized {
    const params = paramsOf(this.bench, quick);
    const inputs = writeArrays(join(this.settings.folder, `${name}.bin`), inputsOf(this.bench.kind, params));
    return { params, inputs, expected: undefined };
  }

  /** Prepares a side and holds what it computes against what the first one did; returns its version. */
  private async agree(side: Side, sized: Sized, overrides: Params, release = true): Promise<string | null> {
    const { outputs, version } = await this.prepare(side, sized, overrides, true);
    sized.expected ??= outputs;
    const { at, by } = largestDifference(outputs, sized.expected);
    if (by > TOLERANCE) {
      throw new Disagreement(`${this.bench.name}: two sides differ by ${by.toExponential(1)} in "${at}".`);
    }
    if (release) await side.ask({ op: 'release' });
    return version;
  }

  private async prepare(
    side: Side,
    { params, inputs }: Sized,
    overrides: Params,
    run: boolean,
  ): Promise<Prepared> {
    const path = join(this.settings.folder, 'outputs.bin');
    const reply = await side.ask({
      op: 'prepare',
      kind: this.bench.kind,
      params: { ...params, ...overrides },
      inputs,
      outputs: run ? path : null,
    });
    if ('unsupported' in reply) throw new Error(reply.unsupported);
    if (!('outputs' in reply)) throw new Error(`a preparation was answered by ${JSON.stringify(reply)}.`);
    const outputs = run ? readArrays({ path, entries: reply.outputs }) : {};
    rmSync(path, { force: true });
    return { outputs, version: reply.version };
  }
}

/** The case at one set of sizes. */
interface Sized {
  readonly params: Params;
  readonly inputs: ArrayFile;
  /** What the first side computed. */
  expected: Arrays | undefined;
}

class Disagreement extends Error {}

interface Prepared {
  readonly outputs: Arrays;
  readonly version: string | null;
}

/** The line that names the error: of a stack or a traceback. */
function errorLine(message: string): string {
  const lines = message.trim().split('\n');
  return (lines.findLast(line => /^\w*(Error|Exception)\b/.test(line)) ?? lines[0]!).trim();
}
