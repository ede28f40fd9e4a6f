/** What a model is made of, by its headers alone: nothing is run, of a remote model only kilobytes are fetched. */
import { existsSync } from 'node:fs';
import type { ModelFiles, ModelStore } from '@spectra/checkpoint';
import { isHubId, modelFiles, openModelFiles } from '@spectra/checkpoint/node';
import { formatTable } from '@spectra/monitor/node';
import { SpectraError } from '@spectra/tensor';
import { groupTensors, type SurveyedRouter, surveyModel } from '../inspection/survey.ts';
import type { TrainingState } from '../run/checkpoint.ts';
import { formatBytes, formatCount } from '../run/format.ts';
import { parseJsonObject } from '../run/json-object.ts';
import { resolveModelPath } from '../run/model-path.ts';
import { keepHeapSmall } from '../run/small-heap.ts';

interface InspectOptions {
  readonly json: boolean;
  readonly revision?: string;
}

export async function inspectCommand(path: string, options: InspectOptions): Promise<void> {
  keepHeapSmall();
  const remote = !existsSync(path) && (isHubId(path) || /^https?:\/\//.test(path));
  const { model: folder, run } = remote ? { model: path } : await resolveModelPath(path);
  const source = await modelFiles(
    folder,
    options.revision === undefined ? {} : { revision: options.revision },
  );
  const config = parseConfig(await source.text('config.json'), source.name);
  const store = await openModelFiles(source);
  try {
    const { routers, ...survey } = surveyModel(store, config);
    const withStates = await Promise.all(
      routers.map(async router => ({ ...router, state: await readState(store, router) })),
    );
    const trained = run === undefined ? undefined : await trainedBy(source);
    if (options.json) {
      const parameters = { ...survey.parameters, ...(trained === undefined ? {} : { trained }) };
      const found = { folder, run: run?.folder.path, config, ...survey, parameters, routers: withStates };
      console.log(JSON.stringify(found, null, 2));
      return;
    }
    const { total, active } = survey.parameters;
    const files = `${survey.files} ${survey.files === 1 ? 'file' : 'files'}`;
    console.log(
      `${folder}: ${formatCount(total)} parameters (${formatBytes(survey.bytes)} in ${files}), ${formatCount(active)} active per token${trained === undefined ? '' : `, ${formatCount(trained)} trained by its run`}\n`,
    );
    console.log(
      formatTable(
        ['tensor', 'shape', 'stored as', 'count', 'parameters'],
        groupTensors(survey.tensors).map(group => [
          group.pattern,
          `[${group.shape.join(', ')}]`,
          group.dtype,
          String(group.count),
          formatCount(group.parameters),
        ]),
      ),
    );
    printRouters(withStates);
  } finally {
    await store.close();
  }
}

/** Of a checkpoint, how many parameters its run trains; older ones do not say. */
async function trainedBy(source: ModelFiles): Promise<number | undefined> {
  const state = JSON.parse((await source.text('state.json')) ?? '{}') as Partial<TrainingState>;
  return state.trainable;
}

type RouterState = Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>;

/** Prices and the like: a few numbers a router, the only values that are read. */
async function readState(store: ModelStore, { state }: SurveyedRouter): Promise<RouterState> {
  const entries = await Promise.all(
    state.map(async name => {
      const { shape, data } = await store.read(name);
      return [name.replace(/^.*\.router\.state\./, ''), { shape, data: [...data] }] as const;
    }),
  );
  return Object.fromEntries(entries);
}

function printRouters(
  routers: readonly (Omit<SurveyedRouter, 'state'> & { readonly state: RouterState })[],
): void {
  const [first] = routers;
  if (first === undefined) return;
  if (routers.every(({ state }) => Object.keys(state).length === 0)) {
    const layers = `${routers.length} mixture-of-experts ${routers.length === 1 ? 'layer' : 'layers'}`;
    console.log(`\n${layers}, routed as ${first.kind}: ${first.slots} of ${first.experts} experts a token`);
    return;
  }
  for (const { layer, kind, state } of routers) {
    console.log(`\nrouter of mixture-of-experts layer ${layer}: ${kind}`);
    for (const [name, { shape, data }] of Object.entries(state)) {
      const shown = data.length <= 16 ? data.map(v => v.toPrecision(4)).join(' ') : `${data.length} values`;
      console.log(`  ${name} [${shape.join(', ')}] ${shown}`);
    }
  }
}

function parseConfig(text: string | undefined, where: string): Readonly<Record<string, unknown>> {
  if (text === undefined) {
    throw new SpectraError('FILE_MISSING', {
      message: 'there is no config.json.',
      where,
      fix: 'Check the name; an address must be that of the folder.',
    });
  }
  return parseJsonObject(text, `${where}/config.json`);
}
