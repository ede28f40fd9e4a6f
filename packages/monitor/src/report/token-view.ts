/** A text whose tokens stand on their expert's colour. */
import { type Html, html } from './html.ts';
import { colourOf } from './palette.ts';
import type { TokenSample } from './run-report.ts';

type SampleLayer = TokenSample['layers'][number];

/** `expert 3 · gate 0.61, expert 7 · gate 0.39`. */
function routeText(experts: readonly number[], gates: readonly number[]): string {
  const parts = experts.flatMap((e, j) =>
    e < 0 ? [] : [`expert ${e} · gate ${(gates[j] ?? 0).toFixed(2)}`],
  );
  return parts.length === 0 ? 'no expert' : parts.join(', ');
}

/** A line break shows as its arrow, so that it has room for its colour. */
const shown = (token: string): string => token.replace(/\n/g, '↵\n');

const firstExpert = (experts: readonly number[]): number => experts.find(e => e >= 0) ?? -1;

function layerView(sample: TokenSample, { layer, experts, gates }: SampleLayer, hidden: boolean): Html {
  const { tokens, promptTokens = 0 } = sample;
  const used = [...new Set(experts.map(firstExpert))].filter(e => e >= 0).sort((a, b) => a - b);
  const words = tokens.map((token, t) => {
    const first = firstExpert(experts[t] ?? []);
    const route = routeText(experts[t] ?? [], gates[t] ?? []);
    return html`<span class="t${t < promptTokens ? ' given' : ''}" ${first >= 0 && html`data-e="${first}" style="--e:${colourOf(first)}"`} title="${route}">${shown(token)}</span>`;
  });
  return html`<div class="layer" data-layer="${layer}" ${hidden && html`data-later`}>
<p class="experts"><span class="label">Layer ${layer}</span>${used.map(
    e =>
      html`<button type="button" data-e="${e}" style="--e:${colourOf(e)}" aria-pressed="false">${e}</button>`,
  )}</p>
<p class="tokens">${words}</p>
<p class="route" aria-live="polite">Choose a token to see its experts, or an expert to see its tokens.</p>
</div>`;
}

/** All layers one below the other; the page's script turns them into a choice of one. */
export function tokenView(sample: TokenSample): Html {
  const { title, note, layers, promptTokens = 0 } = sample;
  return html`<article class="sample"><h3>${title}</h3>${note && html`<p class="note">${note}</p>`}
${promptTokens > 0 && html`<p class="note">Underlined: the given prompt. The rest was generated.</p>`}
${
  layers.length > 1 &&
  html`<div class="tabs" hidden>${layers.map(
    ({ layer }, i) =>
      html`<button type="button" data-layer="${layer}" aria-pressed="${i === 0 ? 'true' : 'false'}">Layer ${layer}</button>`,
  )}</div>`
}
${layers.map((layer, i) => layerView(sample, layer, i > 0))}</article>`;
}
