/** From a suite to its runs: tables × points × arms × seeds, equal ones once. */
import { SpectraError } from '@spectra/tensor';
import { parseConfig, type TrainerConfig } from '@spectra/trainer';
import { type MeasureRequest, requestKey } from '../runs/measures.ts';
import { MILESTONES, runId } from '../runs/run-id.ts';
import type { LoadedSuite } from './load.ts';
import { matchWidth } from './match.ts';
import { withOverrides } from './overrides.ts';
import {
  type Suite,
  type SuiteArm,
  type SuiteAxis,
  type SuiteTable,
  seedsOf,
  type TableId,
} from './schema.ts';

/** One point of a table's grids. */
export interface Point {
  /** Axis → what it is at. */
  readonly at: Readonly<Record<string, string | number | boolean | null>>;
  readonly set: Readonly<Record<string, unknown>>;
}

/** One seed of one arm at one point of a table: a run, or why there can be none. */
export interface Entry {
  readonly table: TableId;
  readonly arm: string;
  readonly point: Point;
  readonly seed: number;
  readonly run: string | undefined;
  readonly reason?: string;
}

export interface PlannedRun {
  readonly id: string;
  /** `train`: to be trained and measured. `timing`: the parts of one layer are timed, nothing is trained. */
  readonly kind: 'train' | 'timing';
  readonly config: TrainerConfig;
  /** For people: where it first occurs. */
  readonly label: string;
  readonly tokens: number;
  readonly probeTokens: number;
  readonly measures: readonly MeasureRequest[];
  readonly keepModel: boolean;
}

export interface Plan {
  readonly path: string;
  readonly suite: Suite;
  /** In the order in which they are started. */
  readonly runs: readonly PlannedRun[];
  readonly entries: readonly Entry[];
}

/** Every run's configuration is resolved and validated; one that is not valid is an entry with its reason. */
export function expandSuite(loaded: LoadedSuite): Plan {
  const { suite, path } = loaded;
  const runs = new Map<string, PlannedRun>();
  const entries: Entry[] = [];
  for (const [id, table] of Object.entries(suite.tables) as [TableId, SuiteTable][]) {
    const seeds = id === 'T9' ? seedsOf(suite, table).slice(0, 1) : seedsOf(suite, table);
    for (const point of pointsOf(table)) {
      // seeds outside arms, so that a suite that is stopped early has whole pairs
      for (const seed of seeds) {
        for (const arm of table.arms) {
          if (suite.arms[arm]?.seeds?.includes(seed) === false) continue;
          const entry = { table: id, arm, point, seed };
          const planned = attempt(() => planRun(loaded, id, table, arm, point, seed));
          if ('reason' in planned) {
            entries.push({ ...entry, run: undefined, reason: planned.reason });
            continue;
          }
          const same = runs.get(planned.id);
          runs.set(planned.id, same === undefined ? planned : merged(same, planned));
          entries.push({ ...entry, run: planned.id });
        }
      }
    }
  }
  // timings last: nothing else may run beside them
  const all = [...runs.values()];
  const ordered = [...all.filter(run => run.kind === 'train'), ...all.filter(run => run.kind === 'timing')];
  return { path, suite, runs: ordered, entries };
}

/** The product of each grid's axes; one point without axes where there is no grid. */
export function pointsOf({ grids }: SuiteTable): Point[] {
  if (grids.length === 0) return [{ at: {}, set: {} }];
  return grids.flatMap(axes =>
    axes.reduce<Point[]>(
      (points, axis) =>
        points.flatMap(point =>
          optionsOf(axis).map(({ label, set }) => ({
            at: { ...point.at, [axis.name]: label },
            set: { ...point.set, ...set },
          })),
        ),
      [{ at: {}, set: {} }],
    ),
  );
}

function optionsOf({
  key,
  values = [],
  options,
}: SuiteAxis): { label: Point['at'][string]; set: Record<string, unknown> }[] {
  return options ?? values.map(value => ({ label: value, set: { [key!]: value } }));
}

/** The resolved configuration of an arm at a point. `CONFIG_INVALID` where it is not valid. */
export function armConfig(
  { suite, base, path }: LoadedSuite,
  table: SuiteTable | undefined,
  arm: string,
  point: Point,
  seed: number,
): TrainerConfig {
  const { set, match } = suite.arms[arm]!;
  const raw = withOverrides(base, suite.set, table?.set ?? {}, set, point.set, {
    seed,
    name: 'run',
    runs_dir: null,
    'train.eval_every': 0,
    'train.keep_checkpoints': 1,
    'train.milestones': MILESTONES,
    'train.max_seconds': null,
    'sample.prompts': [],
  });
  const config = parseConfig(JSON.stringify(drawnWith(raw, seed)), [], `${path}, arm ${arm}`);
  if (config.backend === 'auto') {
    throw new SpectraError('CONFIG_INVALID', {
      message: 'backend is auto, but numbers depend on it.',
      where: path,
      fix: 'Name one in the suite, e.g. set: {backend: wasm}.',
    });
  }
  if (match === undefined) return config;
  const target = armConfig({ suite, base, path }, table, match.arm, point, seed);
  return matchWidth(config, target, match.quantity);
}

/** A router that is drawn and learns nothing is drawn anew for every seed, else its spread would be no one's. */
function drawnWith(raw: Readonly<Record<string, unknown>>, seed: number): Readonly<Record<string, unknown>> {
  const model = raw.model as { moe?: { router?: { kind?: string; seed?: number } } } | undefined;
  const { kind, seed: own } = model?.moe?.router ?? {};
  return (kind === 'hash' || kind === 'random') && own === undefined
    ? withOverrides(raw, { 'model.moe.router.seed': seed })
    : raw;
}

function planRun(
  loaded: LoadedSuite,
  id: TableId,
  table: SuiteTable,
  arm: string,
  point: Point,
  seed: number,
): PlannedRun {
  const { suite } = loaded;
  const resolved = armConfig(loaded, table, arm, point, seed);
  const { data, train } = resolved;
  const tokens = table.tokens ?? suite.tokens;
  const perStep = data.length * data.batch * train.micro_batches;
  const config = { ...resolved, train: { ...train, steps: Math.ceil(tokens / perStep) } };
  const kind = id === 'T9' ? 'timing' : 'train';
  return {
    id: runId(kind, config, suite.probe_tokens),
    kind,
    config,
    label: [labelOf(suite.arms[arm]!, arm), ...describePoint(point), `seed ${seed}`].join(', '),
    tokens: kind === 'timing' ? 0 : config.train.steps * perStep,
    probeTokens: suite.probe_tokens,
    measures: kind === 'timing' ? [] : measuresOf(suite, id, table, arm, seed),
    keepModel: suite.keep_models,
  };
}

function measuresOf(
  suite: Suite,
  id: TableId,
  table: SuiteTable,
  arm: string,
  seed: number,
): MeasureRequest[] {
  const shown =
    id === 'T1' && arm === (table.reference ?? table.arms[0]) && seed === seedsOf(suite, table)[0];
  return [
    ...(id === 'E' && table.lengths !== undefined
      ? [{ name: 'lengths' as const, lengths: table.lengths }]
      : []),
    ...(shown && suite.texts.length > 0 ? [{ name: 'texts' as const, texts: suite.texts }] : []),
    ...(id === 'T1' && suite.tasks.length > 0 ? [{ name: 'tasks' as const, tasks: suite.tasks }] : []),
  ];
}

function merged(a: PlannedRun, b: PlannedRun): PlannedRun {
  const keys = new Set(a.measures.map(requestKey));
  return { ...a, measures: [...a.measures, ...b.measures.filter(request => !keys.has(requestKey(request)))] };
}

export const labelOf = (arm: SuiteArm, key: string): string => arm.label ?? key;

export const describePoint = ({ at }: Point): string[] =>
  Object.entries(at).map(([axis, value]) => `${axis} ${value}`);

function attempt(make: () => PlannedRun): PlannedRun | { readonly reason: string } {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof SpectraError)) throw error;
    return { reason: `${error.code}: ${error.message}` };
  }
}
