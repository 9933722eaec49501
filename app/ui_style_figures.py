"""How figures look that stand together: lines and plant, definitions side by side, and what a figure is made of."""

from __future__ import annotations

FIGURES = """
.judged { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; margin: -8px 0 14px;
  } .judged:empty { display: none; }
.judged .seg, .card-head .seg { flex-wrap: wrap; }
.groups { display: grid;
  grid-template-columns: max-content auto auto minmax(60px, 1fr) auto minmax(0, max-content); gap: 8px 12px; }
.groups li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; align-items: center; }
.groups .val { font-size: 20px; font-weight: 500; text-align: right; white-space: nowrap;
  } .groups .val.muted { font-size: 14px; }
.groups .track { margin: 0; height: 6px; border-radius: 3px; } .groups .known { font-size: 13px;
  white-space: nowrap; }
.page > .card + .tiles, .groups-card { margin-top: 0; } .page > .card:has(.groups) { margin-bottom: 16px; }
.kpi button.plain.cap, .fall button.lab { text-align: left; padding: 0; font: inherit; color: inherit; }
.kpi button.plain.cap { color: var(--faint); font-size: 11px; letter-spacing: .05em; text-transform: uppercase;
  font-weight: 500; }
.kpi [data-act], .fall [data-act] { cursor: pointer;
  } .fall button.lab:hover, .kpi button.cap:hover { color: var(--accent); }
.fall button.lab { color: var(--muted); white-space: nowrap; } .fall button.lab.sum { color: var(--text);
  font-weight: 500; }
.compared { display: grid; grid-template-columns: max-content repeat(5, auto) minmax(120px, 1fr);
  gap: 6px 14px; align-items: center; }
.compared > * { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; align-items: center; }
.compared .head-row { color: var(--muted); font-size: 12px; margin: 0; min-height: 0; }
.compared .r { text-align: right; white-space: nowrap; } .compared .main { font-weight: 500; }
.compared .words { grid-column: 1 / -1; color: var(--muted); font-size: 12px; margin: 1px 0 9px; }
.bars { display: flex; height: 18px; border-radius: 3px; overflow: hidden; background: var(--track); }
.bars i, .swatch { background: var(--c, var(--track)); } .bars i { flex: 0 0 auto; min-width: 0; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
:is(.bars i, .swatch).b-valuable { background: var(--accent); }
:is(.bars i, .swatch).b-run { background: color-mix(in srgb, var(--accent) 70%, var(--track)); }
:is(.bars i, .swatch).b-quality_loss { background: color-mix(in srgb, var(--unplanned) 45%, var(--surface)); }
:is(.bars i, .swatch).b-speed_loss { background: color-mix(in srgb, var(--setup) 45%, var(--surface)); }
:is(.bars i, .swatch).b-microstop { background: color-mix(in srgb, var(--setup) 75%, var(--surface)); }
:is(.bars i, .swatch).b-breakdown { background: var(--unplanned); }
:is(.bars i, .swatch).b-setup { background: var(--setup); }
:is(.bars i, .swatch).b-planned_stop { background: color-mix(in srgb, var(--planned) 70%, var(--surface)); }
:is(.bars i, .swatch).b-excluded { background: color-mix(in srgb, var(--planned) 40%, var(--track)); }
:is(.bars i, .swatch).b-not_scheduled { background: var(--track); }
.dialog.wide { width: 860px; }
.made-of > li { grid-template-columns: 150px 96px minmax(0, 1fr) auto; }
.raw > li { grid-template-columns: 132px 150px minmax(0, 1fr); align-items: start; }
.raw .why, .made-of .why { min-width: 0; overflow-wrap: anywhere; } .raw small { color: var(--faint);
  font-size: 12px; display: block; }
.pager { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }
.then { max-width: 520px; margin-top: 10px; } .moved > li { display: block; } .moved { margin-top: 8px; }
.formula { font-size: 14px; margin-top: 6px; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .groups { grid-template-columns: minmax(0, 1fr) auto auto; gap: 3px 8px; }
  .groups .track, .groups small { grid-column: 1 / -1; } .groups li { padding-bottom: 8px; }
  .groups .known { grid-column: 1 / -1; order: 9; } .groups small { order: 10; }
  .compared { grid-template-columns: repeat(5, auto); gap: 4px 10px; }
  .compared .name, .compared .bars { grid-column: 1 / -1;
    } .compared .head-row .name, .compared .head-row .time { display: none; }
  .made-of > li { grid-template-columns: minmax(0, 1fr) auto;
    } .raw > li { grid-template-columns: minmax(0, 1fr) auto; }
  .made-of .why, .raw .why { grid-column: 1 / -1; } .made-of .act { grid-column: 2; }
}
"""
