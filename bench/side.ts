/** The driver's end of a side: starts the process, asks, waits, and says clearly what went wrong in it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Reply, Request } from './protocol.ts';

export interface SideCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One thread each, whatever library does the arithmetic. */
const ONE_THREAD = {
  OMP_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  TF_NUM_INTRAOP_THREADS: '1',
  TF_NUM_INTEROP_THREADS: '1',
};

export class Side {
  private readonly child: ChildProcess;
  private readonly waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  private errors = '';
  private ended: Error | undefined;

  constructor({ program, args, env }: SideCommand) {
    this.child = spawn(program, args, {
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...ONE_THREAD, ...env },
    });
    this.child.stderr!.on('data', data => {
      this.errors = `${this.errors}${data}`.slice(-4000);
    });
    const replies = this.child.stdio[3] as Readable;
    createInterface({ input: replies }).on('line', line => {
      this.waiting.shift()?.resolve(JSON.parse(line) as Reply);
    });
    const end = (why: string): void => {
      this.ended = new Error(`${program} ${args.join(' ')} ${why}\n${this.errors}`.trim());
      for (const { reject } of this.waiting.splice(0)) reject(this.ended);
    };
    this.child.on('error', error => end(`does not start: ${error.message}`));
    this.child.on('close', code => end(`ended with code ${code}.`));
    this.child.stdin!.on('error', () => {}); // its end is reported by `close`
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** @throws what the side reports as an error, and its end. */
  async ask(request: Request): Promise<Exclude<Reply, { error: string }>> {
    if (this.ended !== undefined) throw this.ended;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
    if ('error' in reply) throw new Error(reply.error);
    return reply;
  }

  /** Milliseconds per run of the prepared case. */
  async run(repeat: number): Promise<number> {
    const reply = await this.ask({ op: 'run', repeat });
    if (!('ms' in reply)) throw new Error(`a run was answered by ${JSON.stringify(reply)}.`);
    return reply.ms;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.ended !== undefined) return;
    const closed = new Promise(resolve => this.child.once('close', resolve));
    this.child.stdin!.end();
    await closed;
  }
}
