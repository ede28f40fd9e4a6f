/** What the HTML report of a run shows, from its metrics and its outcome. */
import type { MetricRecord, RunReport } from '@spectra/monitor/node';
import type { TrainerConfig } from '../config/schema.ts';
import type { Sample } from '../evaluation/sample.ts';
import type { Bound, BoundName, Summary } from './summary.ts';
import type { RunOutcome } from './train-run.ts';

export interface ReportInput {
  readonly config: TrainerConfig;
  readonly summary: Summary;
  readonly outcome: RunOutcome;
  readonly records: readonly MetricRecord[];
  readonly keywords: readonly (readonly string[])[];
  readonly samples: readonly Sample[];
  readonly versions: Readonly<Record<string, string>>;
  readonly date: string;
}

function parameterText({ parameters, trainable_parameters: trained }: Summary): string {
  const millions = (count: number): string => (count / 1e6).toFixed(2);
  const all = `${millions(parameters)} M parameters`;
  return trained === parameters ? all : `${all}, ${millions(trained)} M of them trained`;
}

type Curve = NonNullable<RunReport['entropy']>[number];

export function reportData(input: ReportInput): RunReport {
  const { config, summary, outcome, records } = input;
  const { causal, training } = outcome.evaluation;
  const layer = outcome.trainer.model.routers.length - 1;
  const rules = [
    ...(causal.routing === undefined
      ? []
      : [
          {
            name: 'causal rule (potentials)',
            note: 'what decoding does; a route depends on the past only',
            report: causal.routing,
          },
        ]),
    ...(training.routing === undefined || training.balance === 'potentials'
      ? []
      : [{ name: `training rule (${training.balance})`, report: training.routing }]),
  ];
  const last = causal.routing?.layers.at(-1);
  return {
    title: `SPECTRA run ${config.name}`,
    subtitle: `${summary.steps} steps, ${summary.train_tokens.toLocaleString('en')} tokens, ${parameterText(summary)}, seed ${config.seed}`,
    date: input.date,
    summary: cards(summary),
    loss: {
      train: [curve('training', records, 'loss')],
      held: outcome.data.domains.map(domain => curve(domain, records, `eval/${domain}_loss`)),
    },
    rules,
    load: (causal.routing?.layers ?? [])
      .map(({ layer }) => loadHistory(records, layer))
      .filter(history => history.steps.length > 0),
    entropy: [curve('mean over layers', records, 'routing_entropy')].filter(c => c.steps.length > 0),
    keywords: input.keywords.map((words, expert) => ({
      layer,
      expert,
      words,
      usage:
        last === undefined
          ? null
          : last.load.mean === 0
            ? null
            : last.loadByExpert[expert]! / last.loadByExpert.reduce((a, b) => a + b, 0),
      purity: last?.domains?.purity[expert] ?? null,
      topDomain: topDomain(last?.domains, expert),
    })),
    samples: input.samples.map(sample => ({
      title: sample.prompt,
      tokens: sample.tokens.map(token => token.text),
      promptTokens: sample.tokens.filter(token => token.prompt).length,
      layers: [
        {
          layer,
          experts: sample.tokens.map(t => [...t.experts]),
          gates: sample.tokens.map(t => [...t.gates]),
        },
      ],
    })),
    notes: summary.bounds.filter(bound => !bound.met).map(bound => `Missed: ${describeBound(bound)}.`),
    config,
    environment: {
      backend: summary.backend,
      platform: `${process.platform} ${process.arch}`,
      threads: config.train.workers,
    },
    versions: input.versions,
  };
}

export function describeBound({ name, value, direction, bound }: Bound): string {
  const shown = value === null ? 'no value' : value.toFixed(3);
  return `${name} ${shown}, wanted ${direction === 'below' ? '<' : '>'} ${bound.toFixed(3)}`;
}

type Card = NonNullable<RunReport['summary']>[number];

/** What the bounded figures are called on the page, and what they are of. */
const FIGURES: Readonly<Record<BoundName, Pick<Card, 'name' | 'unit' | 'note'>>> = {
  eval_loss: { name: 'held-out loss', unit: 'nats per token', note: "against the text's unigram entropy" },
  eval_loss_below_baseline: {
    name: 'held-out loss',
    unit: 'nats per token',
    note: "against the baseline's of equal steps",
  },
  load_cv: { name: 'load CV', note: 'training rule, worst layer: the deviation of loads over their mean' },
  load_cv_causal: { name: 'load CV, causal', note: 'the rule that decodes, worst layer' },
  gram_orthogonality: {
    name: 'Gram orthogonality',
    note: 'smallest of the layers; 1 if all experts are orthogonal',
  },
};

function cards(summary: Summary): Card[] {
  const bounded = summary.bounds.map(({ name, value, direction, bound, met }) => ({
    ...FIGURES[name],
    value,
    bound: `${direction === 'below' ? '<' : '>'} ${Number(bound.toFixed(3))}`,
    status: met ? ('met' as const) : ('missed' as const),
  }));
  return [
    ...bounded,
    {
      name: 'rule agreement',
      value: summary.rule_agreement,
      note: 'share of experts that training and causal rule have in common',
    },
    {
      name: 'throughput',
      value: Math.round(summary.train_tokens_per_second),
      unit: 'tokens/s',
      note: `${Math.round(summary.train_seconds)} s of training`,
    },
  ];
}

function curve(name: string, records: readonly MetricRecord[], key: string): Curve {
  const rows = records.filter(record => typeof record[key] === 'number');
  return { name, steps: rows.map(row => row.step), values: rows.map(row => row[key] as number) };
}

function loadHistory(
  records: readonly MetricRecord[],
  layer: number,
): NonNullable<RunReport['load']>[number] {
  const prefix = `layer_${layer}/causal_share_`;
  const rows = records.filter(record => record[`${prefix}0`] !== undefined);
  const experts = Object.keys(rows[0] ?? {}).filter(key => key.startsWith(prefix)).length;
  return {
    layer,
    steps: rows.map(row => row.step),
    loads: rows.map(row => Array.from({ length: experts }, (_, e) => row[`${prefix}${e}`] as number)),
  };
}

function topDomain(
  domains: { names: readonly string[]; affinity: readonly (readonly (number | null)[])[] } | null | undefined,
  expert: number,
): string | null {
  const row = domains?.affinity[expert];
  if (row === undefined || domains === null || domains === undefined) return null;
  const best = row.reduce<number>((top, value, i) => ((value ?? 0) > (row[top] ?? 0) ? i : top), 0);
  return domains.names[best] ?? null;
}
