#pragma once

#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// Of the report's page. Colours are variables, so that light and dark differ in one place.
inline constexpr const char* report_style = R"(
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --faint: #57606a; --rule: #d0d7de; --panel: #f6f8fa;
  --link: #0550ae; --best: #dff3e4; --bad: #b42318;
  --s0: #0063b2; --s1: #c2410c; --s2: #15803d; --s3: #a21caf; --s4: #8a6100; --s5: #0f7490; --s6: #be123c; --s7: #52525b; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f1318; --text: #e6edf3; --faint: #9da7b3; --rule: #343b44; --panel: #181d24;
    --link: #79b8ff; --best: #173d27; --bad: #ff8a80;
    --s0: #6cb6ff; --s1: #ff9f5a; --s2: #6fd08c; --s3: #e5a3f2; --s4: #e3c04f; --s5: #5fd3e8; --s6: #ff8fa3; --s7: #b6bcc4; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0 auto; max-width: 76rem; padding: 1rem clamp(.8rem, 3vw, 2rem) 4rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .8rem 0; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
a { color: var(--link); }
p, li { max-width: 48rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; margin: .6rem 0; padding: 0; }
nav a { display: inline-block; padding: .25rem 0; }
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
.faint, figcaption { color: var(--faint); font-size: .875rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .4rem .7rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule); }
thead th { border-top: 0; background: var(--panel); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .words { text-align: left; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--back); }
td.words { white-space: normal; min-width: 14rem; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: .15rem 0; cursor: pointer;
  text-align: inherit; }
th button::after { content: "\2195"; color: var(--faint); margin-left: .3em; font-size: .8em; }
th[aria-sort=ascending] button::after { content: "\2191"; color: var(--text); }
th[aria-sort=descending] button::after { content: "\2193"; color: var(--text); }
td.best { background: var(--best); font-weight: 700; }
.p { display: block; font-size: .78rem; color: var(--faint); font-weight: 400; }
.error { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.2rem; margin-top: 1rem; }
figure { margin: 0; min-width: 0; }
.charts figure { border: 1px solid var(--rule); border-radius: 6px; padding: .8rem; }
.chart { display: block; width: 100%; max-width: 40rem; height: auto; }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .label { fill: var(--text); font-size: 12px; }
.chart .line { fill: none; stroke-width: 2; }
.chart .band { opacity: .15; }
.chart .spread { stroke-width: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; padding: 0; margin: .4rem 0 0; font-size: .875rem; }
.legend .chart { display: inline-block; width: 26px; height: 10px; margin-right: .35rem; vertical-align: middle; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(46%, 10rem), 1fr)); gap: .7rem; }
.gallery img { display: block; width: 100%; height: auto; border-radius: 4px; border: 1px solid var(--rule); }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: .7rem; overflow-x: auto;
  font-size: .8rem; white-space: pre; overflow-wrap: normal; }
summary { cursor: pointer; padding: .3rem 0; }
@media (max-width: 34rem) {
  .chart .label { font-size: 14px; }
  th[scope=row] { white-space: normal; min-width: 6.5rem; max-width: 9rem; } }
@media print { .skip, nav { display: none; } body { max-width: none; } }
)";

/// Rules of the eight series, by their class.
inline constexpr const char* series_style = R"(
.sN.mark { fill: var(--sN); stroke: var(--back); } .sN.line, .sN.spread { stroke: var(--sN); } .sN.band { fill: var(--sN); })";

/// Sorts a table when the button of a column is pressed: by data-value where cells have it, else by their words.
inline constexpr const char* report_script = R"(
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  const column = Array.prototype.indexOf.call(head.parentNode.children, head);
  const words = head.classList.contains("words");
  const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "ascending" : words;
  const key = row => { const cell = row.children[column]; return words ? cell.textContent : cell.dataset.value; };
  const order = (a, b) => {
    const x = key(a), y = key(b);
    if (words) return x.localeCompare(y) * (up ? 1 : -1);
    if (x === "" || y === "") return (x === "") - (y === "");
    return (x - y) * (up ? 1 : -1);
  };
  table.querySelectorAll("th[aria-sort]").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...Array.from(body.rows).sort(order));
}));
)";

}  // namespace ssam::inline SSAM_ABI::detail
