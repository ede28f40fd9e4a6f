/** The sides of a case, made ready and held against each other. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ArrayFile, type Arrays, largestDifference, readArrays, writeArrays } from './arrays.ts';
import { type BenchCase, type PeerName, paramsOf } from './cases.ts';
import { inputsOf } from './inputs.ts';
import { isSlowToAgree, oursCommand, peerCommand, type SidePool } from './peers.ts';
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
      if (bench.peers.some(peer => isSlowToAgree(peer, bench.kind))) await preparation.agreeInSmall(backend);
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
  private readonly inputs: ArrayFile;
  /** What the first side computed. */
  private expected: Arrays | undefined;

  constructor(bench: BenchCase, settings: ReadySettings) {
    this.bench = bench;
    this.settings = settings;
    const params = paramsOf(bench, settings.quick);
    this.inputs = writeArrays(join(settings.folder, 'inputs.bin'), inputsOf(bench.kind, params));
  }

  end(): void {
    rmSync(this.inputs.path);
  }

  async ours(backend: string): Promise<Contestant> {
    const side = this.settings.pool.get(oursCommand(backend), 'ours');
    const found = await this.prepare(side, this.inputs, this.settings.quick, {});
    if (typeof found === 'string') throw new Error(found);
    this.expected ??= found.outputs;
    this.check(found.outputs, this.expected);
    return { side, version: found.version, times: [] };
  }

  /** A peer that fails is absent, one that computes something else is an error. */
  async peer(peer: PeerName, backend: string): Promise<Contestant | string> {
    const command = peerCommand(peer, this.bench.kind, backend);
    if (typeof command === 'string') return command;
    const side = this.settings.pool.get(command, peer);
    const checked = !isSlowToAgree(peer, this.bench.kind);
    const workers = peer === 'one-worker' ? { workers: 1 } : {};
    let found: Prepared | string;
    try {
      found = await this.prepare(side, this.inputs, this.settings.quick, { checked, workers });
    } catch (error) {
      return errorLine((error as Error).message);
    }
    if (typeof found === 'string') return found;
    if (checked) this.check(found.outputs, this.expected!);
    return { side, version: found.version, times: [] };
  }

  /** The agreement of ours and of peers whose run takes minutes, at the sizes of `--quick`. */
  async agreeInSmall(backend: string): Promise<void> {
    const { bench, settings } = this;
    const inputs = writeArrays(
      join(settings.folder, 'small.bin'),
      inputsOf(bench.kind, paramsOf(bench, true)),
    );
    const slow = bench.peers.filter(peer => isSlowToAgree(peer, bench.kind));
    const commands = slow.map(peer => [peer, peerCommand(peer, bench.kind, backend)] as const);
    let expected: Arrays | undefined;
    for (const [role, command] of [['ours', oursCommand(backend)] as const, ...commands]) {
      if (typeof command === 'string') continue;
      const side = settings.pool.get(command, role);
      const found = await this.prepare(side, inputs, true, {});
      if (typeof found === 'string') throw new Error(found);
      expected ??= found.outputs;
      this.check(found.outputs, expected);
      await side.ask({ op: 'release' });
    }
    rmSync(inputs.path);
  }

  private async prepare(
    side: Side,
    inputs: ArrayFile,
    quick: boolean,
    { checked = true, workers = {} }: { readonly checked?: boolean; readonly workers?: { workers?: number } },
  ): Promise<Prepared | string> {
    const { kind } = this.bench;
    const path = join(this.settings.folder, 'outputs.bin');
    const params = { ...paramsOf(this.bench, quick), ...workers };
    const reply = await side.ask({ op: 'prepare', kind, params, inputs, outputs: checked ? path : null });
    if ('unsupported' in reply) return reply.unsupported;
    if (!('outputs' in reply)) throw new Error(`a preparation was answered by ${JSON.stringify(reply)}.`);
    const outputs = checked ? readArrays({ path, entries: reply.outputs }) : {};
    rmSync(path, { force: true });
    return { outputs, version: reply.version };
  }

  private check(found: Arrays, expected: Arrays): void {
    const { at, by } = largestDifference(found, expected);
    if (!(by > TOLERANCE)) return;
    throw new Error(`${this.bench.name}: two sides differ by ${by.toExponential(1)} in "${at}".`);
  }
}

interface Prepared {
  readonly outputs: Arrays;
  readonly version: string | null;
}

/** The line that names the error: of a stack or a traceback. */
function errorLine(message: string): string {
  const lines = message.trim().split('\n');
  return (lines.findLast(line => /^\w*(Error|Exception)\b/.test(line)) ?? lines[0]!).trim();
}
