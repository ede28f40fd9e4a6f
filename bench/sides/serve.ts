/** A side's loop: answers requests one after another until its input ends. */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Arrays, readArrays, writeArrays } from '../arrays.ts';
import type { Params, Reply, Request } from '../protocol.ts';

/** A case made ready. */
export interface Work {
  /** One run; what it computes is complete when it returns or resolves. */
  run(): unknown;
  /** What a run computes, for the comparison with the other sides. */
  outputs(): Promise<Arrays>;
  dispose(): void | Promise<void>;
}

/** Makes a case ready, or says why this side cannot do it. */
export type Build = (kind: string, params: Params, inputs: Arrays) => Promise<Work | string>;

/** `version`: of the library that computes. */
export async function serve(build: Build, version: string | null = null): Promise<void> {
  let work: Work | undefined;
  const answer = async (request: Request): Promise<Reply> => {
    switch (request.op) {
      case 'prepare': {
        const built = await build(request.kind, request.params, readArrays(request.inputs));
        if (typeof built === 'string') return { unsupported: built };
        work = built;
        if (request.outputs === null) return { outputs: [], version };
        return { outputs: writeArrays(request.outputs, await work.outputs()).entries, version };
      }
      case 'run': {
        const start = performance.now();
        for (let i = 0; i < request.repeat; i++) await work!.run();
        return { ms: (performance.now() - start) / request.repeat };
      }
      case 'release':
        await work?.dispose();
        work = undefined;
        return { done: true };
      case 'collect':
        globalThis.gc?.();
        return { done: true };
    }
  };
  for await (const line of createInterface({ input: process.stdin })) {
    let reply: Reply;
    try {
      reply = await answer(JSON.parse(line) as Request);
    } catch (error) {
      reply = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    writeSync(3, `${JSON.stringify(reply)}\n`);
  }
  process.exit(0); // worker threads of a case that was not released
}
