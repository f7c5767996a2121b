/** Looks of the report, light and dark, on a screen and on paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --card: #f6f7f8; --ink: #16191d; --soft: #5c6570; --faint: #d9dde2; --grid: #eceef1;
  --ours: #0f766e; --ours-soft: #0f766e14; --other: #8b95a1; --other-soft: #c4cad2; --bound: #b45309;
  --edge: #2563eb; --local-small: #9333ea; --local-large: #db2777; --frontier: #65a30d;
  --better: #0f766e; --worse: #b91c1c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --card: #1c2024; --ink: #e8ebee; --soft: #9aa4af; --faint: #363c43; --grid: #24292e;
    --ours: #2dd4bf; --ours-soft: #2dd4bf1c; --other: #7f8a96; --other-soft: #4a525b; --bound: #f59e0b;
    --edge: #60a5fa; --local-small: #c084fc; --local-large: #f472b6; --frontier: #a3e635;
    --better: #2dd4bf; --worse: #f87171;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1064px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 4px; letter-spacing: -0.005em; }
h3 { font-size: 13px; margin: 0 0 6px; color: var(--soft); font-weight: 600; }
p { margin: 0 0 12px; color: var(--soft); max-width: 96ch; }
.setting { margin: 0; }
section { margin-top: 40px; }
figure { margin: 0; }
figcaption { font-size: 13px; color: var(--soft); margin-bottom: 8px; }
svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; }
.wide > svg { min-width: 760px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 28px 40px; margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 14px; margin-top: 24px; }
.card { background: var(--card); border-radius: 10px; padding: 14px 16px; }
.card dl { margin: 0; }
.card dt { font-size: 12px; color: var(--soft); margin-top: 6px; }
.card dd { margin: 0; font-size: 13px; }
.card dd b { font-size: 17px; margin-right: 4px; }
.better { color: var(--better); } .worse { color: var(--worse); }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
.cells { font-size: 12px; width: 100%; } .cells th, .cells td { padding: 3px 5px; }
th, td { text-align: right; padding: 4px 9px; border-bottom: 1px solid var(--grid); }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--faint); }
thead th:first-child, td:first-child, .name { text-align: left; }
.cells thead th:nth-child(2) { text-align: left; }
tbody th { vertical-align: top; font-weight: 600; }
tr.first th, tr.first td { border-top: 1px solid var(--faint); }
tr.ours td { background: var(--ours-soft); font-weight: 600; }
small { color: var(--soft); font-weight: 400; }
.policies { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 8px 0 0; font-size: 14px; }
.policies dt { font-weight: 600; } .policies dd { margin: 0; color: var(--soft); }
svg text { fill: var(--ink); font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
svg text.tick, svg text.note, svg text.panel { fill: var(--soft); font-size: 11px; }
svg text.panel { font-size: 12px; }
svg text.end { fill: var(--soft); font-size: 10.5px; } svg text.end.ours { fill: var(--ours); font-weight: 700; }
.ours .label { font-weight: 700; }
.mark { fill: var(--ours-soft); }
.grid { stroke: var(--grid); stroke-width: 1; }
.bound { stroke: var(--bound); stroke-width: 1.3; stroke-dasharray: 4 3; fill: none; }
.range { stroke: var(--other-soft); stroke-width: 2; } .ours .range { stroke: var(--ours); opacity: 0.45; }
.box { fill: var(--other-soft); } .ours .box { fill: var(--ours); opacity: 0.55; }
.median { stroke: var(--ink); stroke-width: 1.8; }
.mean { fill: var(--ink); }
.tail { fill: var(--ground); stroke: var(--soft); stroke-width: 1.4; }
.span { stroke: var(--faint); stroke-width: 2; }
circle.edge, tspan.edge { fill: var(--edge); } circle.local-small, tspan.local-small { fill: var(--local-small); }
circle.local-large, tspan.local-large { fill: var(--local-large); } circle.frontier, tspan.frontier { fill: var(--frontier); }
.busy { fill: var(--ours); } .track { fill: var(--grid); }
.line { fill: none; stroke: var(--other-soft); stroke-width: 1.3; } .line.ours { stroke: var(--ours); stroke-width: 2.2; }
@media print {
  :root { color-scheme: light; }
  main { max-width: none; padding: 0; }
  section, figure, .card, tr { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 9px; } th, td { padding: 2px 5px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
