/** The page's look: one column, both themes, from phone to desk, and on paper. */
import { colourVariables } from './palette.ts';

const LIGHT = `--page:#f5f6f8;--surface:#ffffff;--text:#16191f;--muted:#5a6270;--line:#dfe3e8;--soft:#eef1f4;--accent:#0b62a3;
--met:#0b7a4b;--missed:#b3340c;--less:#d9781e;--more:#1f7fc4;`;
const DARK = `--page:#101317;--surface:#181c22;--text:#e8ebf0;--muted:#a0a9b6;--line:#2d343d;--soft:#21262e;--accent:#79bdf2;
--met:#4ccb92;--missed:#ff9468;--less:#b8631a;--more:#2680c2;`;

const RULES = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;overflow-wrap:anywhere;background:var(--page);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 24px}
header{padding-top:44px}
h1{font-size:clamp(1.6rem,4vw,2.3rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 8px;text-wrap:balance}
h2{font-size:1.28rem;letter-spacing:-.01em;line-height:1.3;margin:0 0 12px}
h3{font-size:1rem;margin:0 0 8px}
p{margin:0 0 12px}
.eyebrow{color:var(--muted);font-size:.82rem;margin:0 0 6px}
.subtitle{color:var(--muted);max-width:70ch;margin:0}
.note,small{color:var(--muted);font-size:.88rem}
a{color:var(--accent)}
nav{margin:22px 0 0}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:0 18px;margin:0;padding:0;font-size:.9rem}
nav a{text-decoration:none;display:inline-block;padding:2px 0}nav a:hover{text-decoration:underline}
section,.cards{margin:26px 0}
section{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:24px;scroll-margin-top:12px}
.cards{list-style:none;padding:0;display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(168px,1fr))}
.card{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:16px 18px;
display:grid;grid-row:span 4;grid-template-rows:subgrid;row-gap:2px;align-items:start}
.card p{margin:0}.card .name{color:var(--muted);font-size:.88rem}
.card .value{font-size:1.75rem;font-weight:650;line-height:1.3;letter-spacing:-.02em;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.card .bound{font-size:.88rem;color:var(--muted)}
.card .note{font-size:.8rem}
.status{font-weight:650;margin-right:.6em;white-space:nowrap}
.met .status{color:var(--met)}.missed .status{color:var(--missed)}
.missed{border-color:color-mix(in oklab,var(--missed) 55%,var(--line))}
figure{margin:0}figcaption{font-weight:600;font-size:.92rem;margin-bottom:4px}
.plot{display:block;width:100%;height:auto;overflow:visible;background:none;color:var(--muted)}
.plot text{white-space:pre}
.narrow{display:none}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:24px 32px}
.pairs>*{min-width:0}
.legend{list-style:none;margin:0 0 12px;padding:0;display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.86rem}
.legend .what{color:var(--muted)}.legend li{min-width:0;display:flex;align-items:center;gap:6px}
details{margin-top:14px}summary{cursor:pointer;color:var(--accent);font-size:.9rem;width:fit-content}
details[open] summary{margin-bottom:10px}
.scroll{overflow-x:auto;margin:0 0 18px;max-width:100%;
background:linear-gradient(to left,var(--surface) 24px,transparent) right/44px 100% no-repeat local,
linear-gradient(to left,color-mix(in oklab,var(--text) 14%,transparent),transparent) right/14px 100% no-repeat scroll}
section>:last-child,section>:last-child>.scroll:last-child,details>:last-child{margin-bottom:0}
.scroll:focus-visible,button:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:separate;border-spacing:0;font-size:.84rem;font-variant-numeric:tabular-nums;min-width:100%}
caption{text-align:left;font-weight:600;font-size:.95rem;padding:0 0 8px}
th,td{padding:5px 7px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
.n{text-align:right}
thead th{color:var(--muted);font-weight:600;vertical-align:bottom}
.groups th{border-bottom:0;padding-bottom:0;font-weight:650;color:var(--text);text-align:left}
.groups th+th{border-left:1px solid var(--line)}
tbody th,tfoot th{font-weight:600}
th:first-child{position:sticky;left:0;background:var(--surface);z-index:1}
tfoot th,tfoot td{font-weight:650;border-bottom:0}
tbody tr:hover :is(th,td){background:var(--soft)}
th button{all:unset;cursor:pointer;color:inherit;font:inherit}
th button:hover{color:var(--text);text-decoration:underline}
th[aria-sort]{color:var(--text)}
th[aria-sort=ascending] button::after{content:" ↑"}th[aria-sort=descending] button::after{content:" ↓"}
td:has(.heat){padding:1px}
.heat{display:block;padding:4px 7px;border-radius:4px;min-width:44px}
table:has(.heat) :is(th,td){padding-left:5px;padding-right:5px}table:has(.heat) td:has(.heat){padding:1px}
.heatkey{display:flex;align-items:center;gap:2px;font-size:.82rem;font-variant-numeric:tabular-nums}
.heatkey span{padding:2px 10px;border-radius:4px}.heatkey .heatkey-text{color:var(--muted)}
.words{display:block;white-space:normal;min-width:230px}
.words span{display:inline-block;background:var(--soft);border-radius:5px;padding:0 7px;margin:1px 0}
.sample+.sample{border-top:1px solid var(--line);padding-top:22px;margin-top:22px}
.tabs,.experts{display:flex;flex-wrap:wrap;align-items:center;gap:6px;margin:0 0 10px}
.tabs[hidden],.layer[hidden]{display:none}
.tabs button,.experts button{font:inherit;font-size:.86rem;color:inherit;background:var(--surface);border:1px solid var(--line);
border-radius:7px;padding:4px 12px;cursor:pointer;min-height:32px}
.tabs button[aria-pressed=true]{background:var(--text);color:var(--surface);border-color:var(--text)}
.sample:has(.tabs:not([hidden])) .label{display:none}
.experts .label{font-size:.86rem;font-weight:600;margin-right:6px}
.experts button{background:color-mix(in oklab,var(--e) 40%,var(--surface));border-color:transparent;min-width:38px}
.experts button[aria-pressed=true]{border-color:var(--text);box-shadow:inset 0 0 0 1px var(--text)}
.tokens{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.95;max-width:84ch;margin-bottom:8px;
font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9rem}
.t{background:color-mix(in oklab,var(--e,transparent) 40%,var(--surface));padding:3px 0;cursor:pointer;
-webkit-box-decoration-break:clone;box-decoration-break:clone}
.t:not([data-e]){background:none}
.t.given{text-decoration:underline;text-decoration-color:var(--muted);text-underline-offset:4px}
.t.off{background:none;color:var(--muted)}
.t.chosen{outline:2px solid var(--text);border-radius:2px}
.t:hover{filter:brightness(.93)}
.route{font-size:.86rem;color:var(--muted);min-height:1.6em;margin:0;overflow-wrap:anywhere}
dl{margin:0;font-size:.9rem}dl div{display:flex;gap:16px;justify-content:space-between;border-bottom:1px solid var(--line);padding:5px 0}
dt{color:var(--muted)}dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre{background:var(--soft);border-radius:8px;padding:14px;overflow-x:auto;font-size:.82rem;line-height:1.5;margin:0;
font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.notes{margin:0;padding-left:1.2em;max-width:80ch}.notes li{margin-bottom:6px}
footer{padding-top:4px;padding-bottom:48px;color:var(--muted);font-size:.84rem}
@media (max-width:640px){
main,header,footer{padding-left:14px;padding-right:14px}header{padding-top:26px}
section{padding:18px 14px;border-radius:10px;margin:16px 0}
.cards{grid-template-columns:1fr 1fr;gap:10px}.card{padding:12px 14px}.card .value{font-size:1.4rem}
.wide{display:none}.narrow{display:block}
.words{min-width:210px}td:nth-child(2):not(.n){white-space:normal;overflow-wrap:normal;min-width:8.5em;line-height:1.3}
th:first-child[scope=row]:not(.n){white-space:normal;overflow-wrap:normal;min-width:8.5em;line-height:1.3}
.tabs button,.experts button{min-height:40px}
}
@media print{body{background:none}section,.card{break-inside:avoid}nav,.route{display:none}}`;

/** The style sheet for a report that uses `colours` colours. */
export function styleSheet(colours: number): string {
  return (
    `:root{color-scheme:light dark;${LIGHT}${colourVariables(colours, 'light')}}` +
    `@media (prefers-color-scheme:dark){:root{${DARK}${colourVariables(colours, 'dark')}}}${RULES}`
  );
}
