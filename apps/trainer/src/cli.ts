#!/usr/bin/env node
/** `spectra-trainer`: the command line. Each command is a file of `commands/`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { EXIT, exitCodeOf, formatError } from './exit-codes.ts';
import { outlivePipes } from './run/closed-pipe.ts';

const program = new Command('spectra-trainer')
  .description('Train, resume, evaluate, sample and inspect SPECTRA language models.')
  .version(packageJson.version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

const backend = () =>
  new Option('--backend <name>', 'TensorFlow.js backend').choices([
    'auto',
    'wasm',
    'webgpu',
    'tensorflow',
    'cpu',
  ]);
const balance = () =>
  new Option('--balance <mode>', 'how routers balance').choices(['batch', 'potentials', 'none']);
const collect = (value: string, before: string[]): string[] => [...before, value];
const number =
  (what: string, holds: (value: number) => boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !holds(value)) throw new InvalidArgumentError(`It must be ${what}.`);
    return value;
  };
const whole = number('a whole number', value => Number.isSafeInteger(value) && value >= 0);
const byteSize = (text: string): number => {
  const [, value, unit = ''] = /^(\d+(?:\.\d+)?) ?([kMGT]?)B?$/.exec(text) ?? [];
  const bytes =
    Number(value) * { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit as '' | 'k' | 'M' | 'G' | 'T'];
  if (!(bytes >= 1)) throw new InvalidArgumentError('It must be a size such as 500MB or 5GB.');
  return bytes;
};
const share = number('0 or more', value => value >= 0 && value < Number.POSITIVE_INFINITY);
const layerList = (text: string): number[] => text.split(',').map(whole);
const positive = number('a whole number above 0', value => Number.isSafeInteger(value) && value > 0);

program
  .command('train <config>')
  .description('train the run that a YAML or JSON file describes')
  .option('--set <key=value>', 'override a key, e.g. --set optim.lr=1e-3 (repeatable)', collect, [])
  .option('--resume', 'continue from the newest complete checkpoint if the run exists', false)
  .addOption(
    new Option('--overwrite', 'replace an existing run of this name').default(false).conflicts('resume'),
  )
  .option('--dry-run', 'build, run one forward and backward, print sizes and times, write nothing', false)
  .action(async (config: string, options) =>
    (await import('./commands/train.ts')).trainCommand(config, options),
  );

program
  .command('resume <run>')
  .description('continue a run from its newest complete checkpoint')
  .action(async (run: string) => (await import('./commands/train.ts')).resumeCommand(run));

program
  .command('eval <model>')
  .description('held-out loss and routing metrics of a run or checkpoint, with both balancing rules')
  .option('--config <file>', "data to evaluate on; by default the run's own")
  .option('--tokens <n>', 'held-out tokens per domain', positive)
  .option('--out <folder>', 'where results_<time>.json goes; by default the run folder')
  .addOption(backend())
  .option('--json', 'print the results as JSON', false)
  .action(async (model: string, options) => (await import('./commands/eval.ts')).evalCommand(model, options));

program
  .command('generate <model>')
  .description('continue a prompt, token by token, with the expert that served each')
  .option('--prompt <text>', 'the text to continue', '')
  .option('--chat', "give the prompt as a user's message, by the model's chat template", false)
  .option('--tokens <n>', 'tokens to generate', whole, 200)
  .option(
    '--temperature <t>',
    '0 is greedy',
    number('0 or more', value => value >= 0 && value < Number.POSITIVE_INFINITY),
    0.8,
  )
  .option(
    '--top-p <p>',
    'nucleus: the most probable tokens of this much probability',
    number('above 0 and at most 1', value => value > 0 && value <= 1),
    0.95,
  )
  .option('--seed <n>', 'seed of the sampling', whole, 0)
  .option('--layer <l>', 'the layer whose expert colours a token; 0 is the first; by default the last', whole)
  .addOption(backend())
  .option('--json', 'print tokens, experts and gates as JSON', false)
  .action(async (model: string, options) =>
    (await import('./commands/generate.ts')).generateCommand(model, options),
  );

program
  .command('inspect <model>')
  .description(
    'configuration, tensors, parameters and router state of a model, checkpoint or run, by headers alone',
  )
  .option('--revision <name>', 'branch, tag or commit of a model of the Hugging Face Hub')
  .option('--json', 'print JSON', false)
  .action(async (model: string, options) =>
    (await import('./commands/inspect.ts')).inspectCommand(model, options),
  );

program
  .command('convert <model> <target>')
  .description('write a model with another dtype, layout of experts or size of shards into a new folder')
  .addOption(
    new Option('--dtype <dtype>', 'of the weights; fp8 and mxfp4 with block scales')
      .choices(['keep', 'f32', 'bf16', 'f16', 'fp8', 'mxfp4'])
      .default('keep'),
  )
  .addOption(
    new Option('--layout <layout>', 'three matrices per expert, or one tensor for all experts')
      .choices(['keep', 'per-expert', 'fused'])
      .default('keep'),
  )
  .option('--shard-size <size>', 'largest size of a file, e.g. 500MB or 5GB; by default as it is', byteSize)
  .option('--revision <name>', 'branch, tag or commit of a model of the Hugging Face Hub')
  .action(async (model: string, target: string, options) =>
    (await import('./commands/convert.ts')).convertCommand(model, target, options),
  );

const upcycle = program
  .command('upcycle')
  .description('make a mixture of experts of a dense model, or a larger one of a mixture');
for (const [name, what] of [
  ['plan', 'print each tensor of the result with its source, and the totals; write nothing'],
  ['apply', 'write the result; the same command again continues one that was killed'],
] as const) {
  const command = upcycle
    .command(name)
    .description(what)
    .requiredOption('--from <folder>', 'the model')
    .addOption(new Option('--to <folder>', 'the folder to write').makeOptionMandatory(name === 'apply'))
    .addOption(
      new Option('--mode <mode>', 'how experts are made')
        .choices(['copy', 'granular', 'drop', 'expand'])
        .default('copy'),
    )
    .option('--experts <n>', 'experts per layer, for copy and drop; 8 by default', positive)
    .option('--parts <n>', 'parts of the width, for granular; 2 by default', positive)
    .option('--replicas <n>', 'replicas of each part, for granular; 4 by default', positive)
    .option('--active <n>', 'experts per token; for granular replicas of each part', positive)
    .option('--router <name>', "one of ours, or 'family': that of the published family", 'spectra')
    .option('--router-options <json>', "the router's options, as in a configuration")
    .addOption(
      new Option('--shared <start>', 'an expert that every token passes').choices(['none', 'half', 'zero']),
    )
    .option('--layers <list>', 'layers that change, e.g. 0,2,4; by default all', layerList)
    .option('--first-dense <n>', 'layers from below that stay dense', whole)
    .option('--noise <share>', "standard deviation of noise on the experts over the weights' own", share)
    .option('--drop <share>', 'share of the units drawn anew, for drop; 0.5 by default', share)
    .option('--seed <n>', 'of routers, noise and drawn units', whole, 0)
    .option('--shard-size <size>', 'largest size of a file; 5GB by default', byteSize)
    .addOption(backend())
    .option('--json', 'print the plan as JSON', false);
  command.action(async options => {
    const { upcycleApplyCommand, upcyclePlanCommand } = await import('./commands/upcycle.ts');
    await (name === 'plan' ? upcyclePlanCommand : upcycleApplyCommand)(options);
  });
}
upcycle
  .command('verify')
  .description('run both models on token ids and compare logits and what each layer writes')
  .requiredOption('--from <folder>', 'the source')
  .requiredOption('--to <folder>', 'the result')
  .requiredOption('--input <file>', 'JSON with input_ids [B,S]')
  .option('--tolerance <share>', "largest difference over the logits' range", share, 1e-5)
  .addOption(backend())
  .option('--json', 'print JSON', false)
  .action(async options => (await import('./commands/upcycle.ts')).upcycleVerifyCommand(options));

program
  .command('replace-router')
  .description('give a mixture of experts another router; its other files are linked, not copied')
  .requiredOption('--from <folder>', 'the model')
  .option('--to <folder>', 'the folder to write')
  .option('--router <name>', 'one of ours', 'spectra')
  .option(
    '--router-options <json>',
    "the router's options, as in a configuration; by default SPECTRA as it suits the model's size",
  )
  .addOption(
    new Option('--init <start>', 'drawn from the seed, or fitted to the choices of the old router')
      .choices(['fresh', 'distil'])
      .default('fresh'),
  )
  .option(
    '--text <file>',
    'calibration text to fit the router on, and to measure rho on where it is no constant',
  )
  .option('--input <file>', 'the same as JSON with input_ids [B,S]')
  .option('--length <n>', 'tokens of a row of the text', positive, 256)
  .option('--steps <n>', 'steps of the fit; by default 50 to 300, by the length of the text', whole)
  .option('--lr <rate>', 'learning rate of the fit; 0.01 by default', share)
  .option('--balanced', "set prices that balance the text's load; else they begin at 0", false)
  .option('--rho <factor>', 'factor on the new gates; by default what the old ones sum to', share)
  .option('--seed <n>', 'of the router', whole, 0)
  .option('--plan', 'print what would be written, tensor by tensor, and write nothing', false)
  .option('--json', 'print the plan as JSON', false)
  .addOption(backend())
  .action(async options => (await import('./commands/replace-router.ts')).replaceRouterCommand(options));

program
  .command('forward <model>')
  .description('run a model on token ids and write logits, layer outputs and routes as safetensors')
  .requiredOption(
    '--input <file>',
    'JSON with input_ids [B,S], optional attention_mask, position_ids, prompt_ids',
  )
  .requiredOption('--out <file>', 'safetensors file to write')
  .addOption(balance().default('potentials'))
  .option('--generate <n>', 'also generate n tokens greedily from prompt_ids', positive)
  .addOption(backend())
  .action(async (model: string, options) =>
    (await import('./commands/forward.ts')).forwardCommand(model, options),
  );

const config = program.command('config').description('work with configuration files');
config
  .command('print <file>')
  .description('the resolved configuration with every default')
  .option('--set <key=value>', 'override a key (repeatable)', collect, [])
  .action(async (file: string, options) => (await import('./commands/config.ts')).printConfig(file, options));
config
  .command('validate <file>')
  .description('check a configuration; exit code 2 if it is not valid')
  .option('--set <key=value>', 'override a key (repeatable)', collect, [])
  .action(async (file: string, options) =>
    (await import('./commands/config.ts')).validateConfig(file, options),
  );
config
  .command('schema')
  .description('the JSON schema of configuration files')
  .action(async () => (await import('./commands/config.ts')).printSchema());

program
  .command('doctor')
  .description('what this machine offers: Node, backends, SIMD, GPU, disk; each finding with a fix')
  .option('--json', 'print JSON', false)
  .action(async options => (await import('./commands/doctor.ts')).doctorCommand(options));

program
  .command('demo')
  .description('train a small SPECTRA language model on six domains of real text and show what came out')
  .option('--compare', 'train softmax top-2 with auxiliary loss beside it', false)
  .option('--steps <n>', 'fewer steps, for a quick look', positive)
  .option('--runs-dir <folder>', 'where the runs go', 'runs')
  .action(async options => (await import('./commands/demo.ts')).demoCommand(options));

outlivePipes();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  console.error(formatError(error));
  process.exit(exitCodeOf(error));
}
