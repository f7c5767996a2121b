/** How a statement looks: light and dark, on a phone, a screen and A4. */
export const STATEMENT_STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1d2329; --soft: #5b6670; --line: #d9dee3; --rail: #edf0f3; --panel: #f6f8f9;
  --in: #9dbfdc; --out: #1f6196; --own: #2f7d5b; --other: #b7a27a; --held: #d9a441; --credit: #cfe6d9;
  --alert: #8a4b00; --alert-page: #fff6e5; --alert-line: #e5c07b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181b; --ink: #e4e8eb; --soft: #9ba6af; --line: #333b42; --rail: #23292e; --panel: #1a1f23;
    --in: #3f6482; --out: #7db6e6; --own: #6cc49a; --other: #8d7c5a; --held: #d9a441; --credit: #24493a;
    --alert: #f2c879; --alert-page: #2a2212; --alert-line: #6b5424;
  }
}
* { box-sizing: border-box }
html { background: var(--page); -webkit-text-size-adjust: 100% }
body {
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: .25rem 0 .5rem; letter-spacing: -.01em }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; padding-top: .9rem; border-top: 1px solid var(--line) }
p { margin: .5rem 0 } .coop { color: var(--soft); font-weight: 600; margin: 0 } .soft { color: var(--soft) }
dl.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1.75rem 0 0 }
dl.key div { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem }
dl.key dt { color: var(--soft); font-size: .85rem }
dl.key dd { margin: 0; font-variant-numeric: tabular-nums }
dl.key dd:first-of-type { font-size: 1.3rem; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere }
dl.key dd + dd { color: var(--soft); font-size: .85rem }
figure { margin: 1rem 0 1.5rem; break-inside: avoid }
figcaption { font-weight: 600; margin-bottom: .5rem }
svg { display: block; overflow: visible }
svg text { fill: var(--ink); font-size: .85rem } svg .value { font-variant-numeric: tabular-nums }
svg .scale { fill: var(--soft); font-size: .72rem; font-variant-numeric: tabular-nums }
.in { fill: var(--in) } .out { fill: var(--out) } .own { fill: var(--own) } .other { fill: var(--other) }
.held { fill: var(--held) } .credit { fill: var(--credit) } .rail { fill: var(--rail) }
.grid { stroke: var(--line); stroke-dasharray: 2 4 } .axis { stroke: var(--soft) }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: .5rem 0 0; color: var(--soft); font-size: .85rem }
ul.legend svg { display: inline-block; vertical-align: -1px; margin-right: .4rem }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 2.5rem }
.wide { overflow-x: auto; margin: 1rem 0 1.5rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; font-size: 1rem; padding-bottom: .4rem }
th, td { text-align: left; padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th:last-child, td:last-child { padding-right: 0 }
table.short { max-width: 34rem }
table.headed caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
thead th { color: var(--soft); font-weight: 600; font-size: .82rem; vertical-align: bottom }
tbody th { font-weight: 400; min-width: 7rem } .number { text-align: right } td.number { white-space: nowrap }
table.short td.number { white-space: normal }
table.total tbody tr:last-child > * { font-weight: 600; border-top: 2px solid var(--soft); border-bottom: 0 }
tr { break-inside: avoid }
.alert { color: var(--alert); background: var(--alert-page); border: 1px solid var(--alert-line); border-radius: .5rem; padding: .75rem 1rem; margin: 1.5rem 0; break-inside: avoid }
.alert ul { margin: .25rem 0 0; padding-left: 1.2rem } .alert p { margin: 0; font-weight: 600 }
.notes { color: var(--soft); font-size: .85rem; padding-left: 1.2rem }
.notes li { margin: .25rem 0 }
@media (max-width: 34rem) {
  body { padding-top: 1.5rem } h1 { font-size: 1.5rem }
  dl.key { grid-template-columns: 1fr 1fr; gap: .5rem } dl.key div { padding: .6rem .75rem }
  dl.key dd:first-of-type { font-size: 1.15rem }
}
@page { size: A4; margin: 15mm 14mm }
@media print {
  :root {
    --page: #ffffff; --ink: #000000; --soft: #4a5560; --line: #cfd5da; --rail: #edf0f3; --panel: #ffffff;
    --in: #9dbfdc; --out: #1f6196; --own: #2f7d5b; --other: #b7a27a; --held: #d9a441; --credit: #cfe6d9;
    --alert: #6b3a00; --alert-page: #ffffff; --alert-line: #b58a3c;
  }
  html { font-size: 12px; -webkit-print-color-adjust: exact; print-color-adjust: exact }
  body { font-size: 9.5pt; line-height: 1.4; max-width: none; padding: 0 }
  h2 { break-after: avoid; margin-top: 1.5rem } .wide { overflow: visible } table, .notes { break-inside: avoid }
  th, td { padding: .25rem .7rem .25rem 0 }
  dl.key { grid-template-columns: repeat(4, 1fr) }
}
`;
