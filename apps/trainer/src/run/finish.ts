/** After training: samples, keywords, summary and report. */
import { createRequire } from 'node:module';
import { formatTable, readJsonl, renderReport, renderTokens } from '@spectra/monitor/node';
import type { TrainerConfig } from '../config/schema.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { ExpertKeywords } from '../evaluation/keywords.ts';
import { type Sample, sampleContinuation } from '../evaluation/sample.ts';
import { formatDuration } from './format.ts';
import { describeBound, reportData } from './report-data.ts';
import { type RunFolder, writeAtomically } from './run-folder.ts';
import { type Summary, summarise } from './summary.ts';
import type { RunOutcome } from './train-run.ts';

export interface FinishedRun {
  readonly summary: Summary;
  readonly keywords: readonly (readonly string[])[];
  readonly samples: readonly Sample[];
  readonly outcome: RunOutcome;
}

/** Makes `summary.json` and `report.html`. */
export async function finishRun(
  config: TrainerConfig,
  folder: RunFolder,
  outcome: RunOutcome,
): Promise<FinishedRun> {
  const { trainer, data } = outcome;
  const samples: Sample[] = [];
  const { prompts, tokens, temperature, top_p: topP } = config.sample;
  for (const [i, prompt] of prompts.entries()) {
    samples.push(
      await sampleContinuation(trainer.model, data.tokenizer, {
        prompt,
        tokens,
        temperature,
        topP,
        seed: config.seed + i,
      }),
    );
  }
  const keywords = await keywordsOf(outcome);
  const summary = summarise({
    name: config.name,
    step: trainer.step,
    optimizerSteps: config.train.steps,
    stopped: outcome.stopped,
    seed: config.seed,
    size: trainer.size(),
    tokensSeen: trainer.tokensSeen,
    evaluation: outcome.evaluation,
    unigramEntropy: await data.unigramEntropy(),
    trainSeconds: outcome.trainSeconds,
    secondsTotal: outcome.secondsTotal,
    backend: `${outcome.backend.name}: ${outcome.backend.device}; kernels ${outcome.backend.kernels}`,
    bounds: config.bounds,
  });
  const finished = { summary, keywords, samples, outcome };
  writeResults(config, folder, finished);
  return finished;
}

/** Writes summary and report; again with another summary once a baseline is known. */
export function writeResults(
  config: TrainerConfig,
  folder: RunFolder,
  { summary, keywords, samples, outcome }: FinishedRun,
): void {
  writeAtomically(folder.summary, `${JSON.stringify(summary, null, 2)}\n`);
  const html = renderReport(
    reportData({
      config,
      summary,
      outcome,
      keywords,
      samples,
      records: readJsonl(folder.metrics),
      versions: versions(),
      date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    }),
  );
  writeAtomically(folder.report, html);
}

export function printSummary({ summary, keywords, samples, outcome }: FinishedRun, folder: RunFolder): void {
  const { causal, training } = outcome.evaluation;
  const out = (text: string): void => console.log(text);
  out(
    `\n${formatTable(
      ['domain', 'held-out loss', 'perplexity', 'tokens'],
      causal.domains.map(d => [d.domain, d.loss, d.perplexity, d.tokens]),
    )}`,
  );
  out(
    `\nheld-out loss ${summary.eval_loss.toFixed(4)} nats per token; the text's unigram entropy is ${summary.unigram_entropy.toFixed(4)}${summary.baseline_eval_loss === null ? '' : `; softmax top-2 with auxiliary loss reaches ${summary.baseline_eval_loss.toFixed(4)}`}`,
  );
  for (const rule of training.balance === 'potentials' ? [causal] : [causal, training]) {
    if (rule.routing === undefined) continue;
    out(`\n${rule.balance === 'potentials' ? 'causal decoding rule' : `training rule (${rule.balance})`}`);
    out(
      formatTable(
        ['layer', 'load CV', 'MaxVio', 'Gram orthogonality', 'routing entropy'],
        rule.routing.layers.map(l => [
          l.layer,
          l.load.cv,
          l.load.maxViolation,
          l.gram?.orthogonality,
          l.routingEntropy,
        ]),
      ),
    );
  }
  if (keywords.length > 0) {
    out('\nkeywords of the experts in the last layer (signs, where an expert has next to no words)');
    for (const [expert, words] of keywords.entries()) out(`  ${expert}  ${words.join(' ') || '–'}`);
    out('\ncontinuations, each token with the first of its experts in the last layer');
  }
  for (const sample of samples) {
    out(
      `\n${renderTokens(
        sample.tokens.map(({ text, experts }) => ({ text, expert: experts[0] ?? -1 })),
        { marks: true },
      )}`,
    );
  }
  out('');
  for (const bound of summary.bounds) out(`${bound.met ? 'met   ' : 'missed'}  ${describeBound(bound)}`);
  out(
    `\n${Math.round(summary.train_tokens_per_second)} tokens/s, ${formatDuration(summary.train_seconds)} of training, ${formatDuration(summary.seconds)} in all`,
  );
  out(`report: ${folder.report}\nsummary: ${folder.summary}`);
}

async function keywordsOf({ trainer, data }: RunOutcome): Promise<string[][]> {
  const router = trainer.model.routers.at(-1);
  if (router === undefined) return [];
  const words = new ExpertKeywords(router.experts, data.tokenizer);
  await evaluate(trainer.model, data.heldOut, {
    domains: data.domains,
    trainingBalance: 'potentials',
    onCausalBatch: (batch, decisions) => words.add(batch, decisions.at(-1)!),
  });
  return words.list();
}

function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const tfjs = (require('@tensorflow/tfjs-core/package.json') as { version: string }).version;
  return { node: process.versions.node, v8: process.versions.v8, 'tfjs-core': tfjs };
}
