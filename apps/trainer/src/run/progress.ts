/** Live progress on stderr: one line that rewrites itself on a terminal, plain lines elsewhere. */
import { formatDuration } from './format.ts';

export interface ProgressLine {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Of a step of the optimizer, as is the norm. */
  readonly learningRate?: number;
  readonly gradNorm?: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
  /** Largest load CV over the layers in this step; absent for a dense model. */
  readonly loadCv?: number;
  /** Routing entropy over log E, mean over layers; absent for a dense model. */
  readonly routingEntropy?: number;
}

const PLAIN_EVERY_MS = 10_000;

export class Progress {
  private readonly out: NodeJS.WriteStream;
  private lastPlain = 0;
  private open = false;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.out = out;
  }

  update(line: ProgressLine): void {
    const text = formatProgress(line);
    if (this.out.isTTY) {
      this.out.write(`\r\u001b[2K${text.slice(0, (this.out.columns ?? 120) - 1)}`);
      this.open = true;
      return;
    }
    const now = Date.now();
    if (now - this.lastPlain < PLAIN_EVERY_MS && line.step !== line.steps && line.step !== 1) return;
    this.lastPlain = now;
    this.out.write(`${text}\n`);
  }

  /** Prints a line of its own without breaking the live one. */
  note(text: string): void {
    if (this.open) this.out.write('\n');
    this.open = false;
    this.out.write(`${text}\n`);
  }
}

export function formatProgress(line: ProgressLine): string {
  const width = String(line.steps).length;
  return [
    `step ${String(line.step).padStart(width)}/${line.steps}`,
    `loss ${line.loss.toFixed(3)}`,
    ...(line.learningRate === undefined ? ['settling'] : [`lr ${line.learningRate.toExponential(1)}`]),
    ...(line.gradNorm === undefined ? [] : [`grad ${line.gradNorm.toFixed(2)}`]),
    ...(line.loadCv === undefined ? [] : [`cv ${line.loadCv.toFixed(3)}`]),
    ...(line.routingEntropy === undefined ? [] : [`entropy ${line.routingEntropy.toFixed(2)}`]),
    `${Math.round(line.tokensPerSecond)} tok/s`,
    `eta ${formatDuration(line.secondsLeft)}`,
  ].join('  ');
}
