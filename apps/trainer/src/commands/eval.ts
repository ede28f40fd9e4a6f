/** Evaluates a saved model on held-out text, as training does at its end. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable } from '@spectra/monitor/node';
import { SpectraError, setBackend } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { loadConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { openTrainingData } from '../data/training-data.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { evaluationMetrics } from '../run/metrics.ts';
import { type BackendChoice, type ModelPath, resolveModelPath } from '../run/model-path.ts';
import { modelTokenizer } from '../run/model-tokenizer.ts';
import { makeFolder, writeAtomically } from '../run/run-folder.ts';

interface EvalOptions {
  readonly config?: string;
  readonly tokens?: number;
  readonly out?: string;
  readonly backend?: BackendChoice;
  readonly json: boolean;
}

/**
 * Bytes, a configuration's default, mean nothing to a model that has a tokenizer: then it reads by its own. So it does in the
 * place of a file that its run names (`own`), which may have moved or changed since.
 */
async function withTokenizerOf(
  place: ModelPath,
  config: TrainerConfig,
  own: boolean,
): Promise<TrainerConfig> {
  const { data } = config;
  const { kind } = data.tokenizer;
  if (kind === 'model' || (kind === 'file' && !own)) return config;
  if (existsSync(join(place.model, 'tokenizer.json')))
    return { ...config, data: { ...data, tokenizer: { kind: 'model' } } };
  // which refuses a model whose ids are no bytes
  if (kind === 'bytes') await modelTokenizer(place);
  return config;
}

export async function evalCommand(path: string, options: EvalOptions): Promise<void> {
  const place = await resolveModelPath(path);
  const { model: folder, run } = place;
  const configPath = options.config ?? run?.folder.config;
  if (configPath === undefined) {
    throw new SpectraError('USAGE', {
      message: `${path} belongs to no run, so there is no text to evaluate on.`,
      where: path,
      fix: 'Name a configuration with --config.',
    });
  }
  const overrides = options.tokens === undefined ? [] : [`train.eval_tokens=${options.tokens}`];
  const config = await withTokenizerOf(
    place,
    loadConfig(configPath, overrides),
    options.config === undefined,
  );
  await setBackend(options.backend ?? config.backend);
  const model = await loadModel(folder);
  // the text may come from another configuration than the model
  const data = await openTrainingData(config, undefined, { description: model.description, folder });
  const evaluation = await evaluate(model, data.heldOut, {
    domains: data.domains,
    trainingBalance: config.train.balance,
  });
  const metrics = evaluationMetrics(evaluation);
  const results = {
    model: folder,
    config: configPath,
    results: metrics,
    domains: evaluation.causal.domains,
    routing: evaluation.causal.routing,
  };
  const out = options.out ?? run?.folder.path ?? '.';
  makeFolder(out);
  const file = join(out, `results_${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeAtomically(file, `${JSON.stringify(results, null, 2)}\n`);
  if (options.json) console.log(JSON.stringify(results, null, 2));
  else {
    console.log(
      formatTable(
        ['domain', 'loss (nats)', 'perplexity', 'tokens'],
        evaluation.causal.domains.map(d => [
          d.domain,
          d.loss.toFixed(4),
          d.perplexity.toFixed(2),
          String(d.tokens),
        ]),
      ),
    );
    console.log(
      `\nmean loss ${evaluation.causal.loss.toFixed(4)} (causal rule), ${evaluation.training.loss.toFixed(4)} (training rule)`,
    );
  }
  console.error(`wrote ${file}`);
  model.dispose();
}
