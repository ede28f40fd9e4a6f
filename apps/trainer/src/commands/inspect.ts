/** What a model is made of, without running it. */

import { formatTable } from '@spectra/monitor/node';
import { setBackend } from '@spectra/tensor';
import { loadModel } from '@spectra/transformer/node';
import { formatBytes, formatCount } from '../run/format.ts';
import { resolveModelPath } from '../run/model-path.ts';

export async function inspectCommand(path: string, options: { readonly json: boolean }): Promise<void> {
  const { model: folder, run } = await resolveModelPath(path);
  await setBackend('cpu');
  const model = await loadModel(folder);
  const tensors = model.parameters().map(({ name, shape, role, trainable }) => ({
    name,
    shape,
    role,
    trainable,
    parameters: shape.reduce((a, b) => a * b, 1),
  }));
  const total = tensors.reduce((sum, t) => sum + t.parameters, 0);
  const active = total - inactive(model.config, tensors);
  const routers = model.routers.map((router, layer) => ({
    layer,
    kind: router.kind,
    experts: router.experts,
    slots: router.slots,
    state: Object.fromEntries(
      Object.entries(router.state()).map(([name, { shape, data }]) => [name, { shape, data: [...data] }]),
    ),
  }));
  if (options.json) {
    console.log(
      JSON.stringify(
        {
          folder,
          run: run?.folder.path,
          config: model.config,
          parameters: { total, active },
          tensors,
          routers,
        },
        null,
        2,
      ),
    );
    return;
  }
  console.log(
    `${folder}: ${formatCount(total)} parameters (${formatBytes(total * 4)} in float32), ${formatCount(active)} active per token\n`,
  );
  console.log(
    formatTable(
      ['tensor', 'shape', 'role', 'parameters'],
      tensors.map(t => [t.name, `[${t.shape.join(', ')}]`, t.role, formatCount(t.parameters)]),
    ),
  );
  for (const { layer, kind, state } of routers) {
    console.log(`\nrouter of mixture-of-experts layer ${layer}: ${kind}`);
    for (const [name, { shape, data }] of Object.entries(state)) {
      const shown = data.length <= 16 ? data.map(v => v.toPrecision(4)).join(' ') : `${data.length} values`;
      console.log(`  ${name} [${shape.join(', ')}] ${shown}`);
    }
  }
}

/** Parameters of experts that a token does not visit. */
function inactive(
  config: { moe?: { experts: number; k: number } | undefined },
  tensors: readonly { name: string; parameters: number }[],
): number {
  if (config.moe === undefined) return 0;
  const { experts, k } = config.moe;
  const routed = tensors.filter(t => /\.experts\./.test(t.name)).reduce((sum, t) => sum + t.parameters, 0);
  return Math.round(routed * (1 - k / experts));
}
