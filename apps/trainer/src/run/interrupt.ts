/** Ctrl-C and SIGTERM: the first asks the run to finish its step and save, the second aborts at once. */
import { EXIT } from '../exit-codes.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM';

export class Interrupt {
  private received: StopSignal | undefined;
  private readonly handlers: [StopSignal, () => void][];

  constructor(announce: (text: string) => void) {
    this.handlers = (['SIGINT', 'SIGTERM'] as const).map(signal => [
      signal,
      () => {
        if (this.received !== undefined) process.exit(exitCodeOfSignal(signal));
        this.received = signal;
        announce('Stopping after this step; press Ctrl-C again to abort.');
      },
    ]);
    for (const [signal, handler] of this.handlers) process.on(signal, handler);
  }

  /** The signal that asked to stop, if any. */
  get requested(): StopSignal | undefined {
    return this.received;
  }

  release(): void {
    for (const [signal, handler] of this.handlers) process.off(signal, handler);
  }
}

export function exitCodeOfSignal(signal: StopSignal): number {
  return signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
}
