"""How the parts of pages look: tiles, ribbon, waterfall, lists, tables, dialog."""

from __future__ import annotations

TILES = """
.tiles { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(296px, 1fr)); }
.tile {
  position: relative; display: block; overflow: hidden; padding: 14px 18px 14px 22px; border: 1px solid var(--line);
  border-radius: 10px;
  background: var(--surface); box-shadow: var(--shadow); min-width: 0;
}
.tile:hover { border-color: color-mix(in srgb, var(--accent) 45%, var(--line)); }
.tile::before { content: ""; position: absolute; inset: 0 auto 0 0; width: 6px; background: var(--c); }
.tile.is-unknown::before { background: repeating-linear-gradient(-45deg, var(--c) 0 2px, transparent 2px 5px); }
.tile.is-unplanned {
  background: color-mix(in srgb, var(--c) 7%, var(--surface));
  border-color: color-mix(in srgb, var(--c) 38%, var(--line));
}
.tile-head { display: flex; align-items: center; gap: 10px; min-width: 0; }
.tile-head h2 { font-size: 17px; letter-spacing: -.01em; overflow-wrap: anywhere; }
.tile-head .place { color: var(--faint); font-size: 12px; margin-left: auto; text-align: right; }
.tile-state { display: flex; align-items: center; gap: 7px; margin-top: 3px; min-height: 21px; }
.tile-state b { color: var(--c); font-weight: 600; white-space: nowrap; }
.tile-state .word {
  color: var(--muted); flex: 0 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.tile-state .since { margin-left: auto; color: var(--muted); font-size: 13px; white-space: nowrap; }
.tile-oee { display: flex; align-items: flex-end; justify-content: space-between; gap: 16px; margin-top: 12px; }
.big { font-size: 34px; line-height: 1; font-weight: 500; letter-spacing: -.02em; white-space: nowrap; }
.big .unit { font-size: 16px; margin-left: 1px; letter-spacing: 0; }
.big.none { font-size: 17px; color: var(--muted); letter-spacing: 0; padding: 9px 0 8px; }
.cap { color: var(--faint); font-size: 11px; letter-spacing: .05em; text-transform: uppercase; font-weight: 500; }
.apq { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin-top: 12px; }
.apq dt { display: flex; justify-content: space-between; gap: 4px; font-size: 12px; color: var(--muted); }
.apq dd { margin-top: 3px; font-size: 13px; }
.track { display: block; height: 4px; border-radius: 2px; background: var(--track); overflow: hidden; margin-top: 4px; }
.track i { display: block; height: 100%; background: var(--accent); border-radius: 2px; }
.track.hatched { background-color: var(--track); }
.tile-foot {
  display: flex; justify-content: space-between; gap: 8px; margin-top: 12px; color: var(--faint); font-size: 12px;
}
.spark { display: flex; align-items: flex-end; gap: 3px; height: 34px; flex: none; }
.spark i {
  display: block; width: 9px; border-radius: 1.5px 1.5px 0 0;
  background: color-mix(in srgb, var(--accent) 55%, var(--surface));
}
.spark i:last-child { background: var(--accent); }
.spark i.hatched { height: 100% !important; border-radius: 1.5px; opacity: .7; }
.badge {
  display: inline-flex; align-items: center; gap: 5px; padding: 1px 8px 1px 6px; border-radius: 10px;
  font-size: 12px; font-weight: 600;
  color: var(--setup); background: color-mix(in srgb, var(--setup) 14%, transparent);
}
.badge .glyph { color: inherit; }
.badge.critical, .badge.major {
  color: var(--unplanned); background: color-mix(in srgb, var(--unplanned) 13%, transparent);
}
.counts { display: flex; flex-wrap: wrap; gap: 4px 18px; }
.counts b { font-weight: 600; color: var(--text); }
"""

MACHINE = """
.band { position: relative; height: 34px; margin-top: 14px; border-radius: 4px; background: var(--sunk); overflow: hidden; }
.band i { position: absolute; bottom: 0; background: color-mix(in srgb, var(--accent) 42%, var(--surface)); }
.band i.over { background: var(--setup); }
.band u { position: absolute; left: 0; right: 0; border-top: 1px dashed var(--hatch); z-index: 1; }
.band-words { display: flex; justify-content: space-between; color: var(--faint); font-size: 12px; margin-top: 3px; }
.ribbon { position: relative; height: 44px; border-radius: 6px; overflow: hidden; background: var(--track); }
.ribbon i { position: absolute; top: 0; bottom: 0; min-width: 1px; background: var(--c); }
.ribbon i.is-run { background: color-mix(in srgb, var(--c) 78%, var(--surface)); }
.ribbon i.is-setup {

  background: repeating-linear-gradient(90deg, var(--c) 0 4px, color-mix(in srgb, var(--c) 72%, var(--surface)) 4px 6px);
}
.ribbon i.is-planned { opacity: .55; }
.ribbon i.is-unplanned { box-shadow: inset 0 -5px 0 color-mix(in srgb, #000 26%, var(--c)); }
.axis { position: relative; height: 20px; color: var(--faint); font-size: 12px; overflow: hidden; }
.axis span { position: absolute; top: 4px; transform: translateX(-50%); white-space: nowrap; }
.axis span::before {
  content: ""; position: absolute; left: 50%; top: -4px; height: 4px; border-left: 1px solid var(--line);
}
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 10px; font-size: 13px; color: var(--muted); }
.legend b { font-weight: 500; color: var(--text); }
.kpis { display: grid; grid-template-columns: 1.25fr 1fr 1fr 1fr; gap: 16px; margin-bottom: 16px; align-items: end; }
.kpi .big { font-size: 24px; } .kpi:first-child .big { font-size: 40px; }
.kpi .big.none { font-size: 14px; padding: 6px 0; white-space: normal; }
.fall {
  display: grid; grid-template-columns: auto minmax(60px, 1fr) auto; gap: 3px 12px; align-items: center;
  font-size: 13px;
}
.fall .lab { color: var(--muted); white-space: nowrap; } .fall .sum { color: var(--text); font-weight: 500; }
.fall .val { text-align: right; white-space: nowrap; }
.fall .lane { position: relative; height: 15px; border-radius: 2px; background: var(--sunk); }
.fall .lane i { position: absolute; top: 0; bottom: 0; border-radius: 2px; background: var(--c); min-width: 1px; }
.fall .lane i.total { background: color-mix(in srgb, var(--accent) 28%, var(--track)); }
.fall .lane i.final { background: var(--accent); }
.fall .lane i.off { background: color-mix(in srgb, var(--planned) 40%, var(--track)); }
.fall .lane i.perf { background: color-mix(in srgb, var(--setup) 55%, var(--track)); }
.fall .lane i.gain { background: none; border: 1.5px solid var(--accent); box-sizing: border-box; }
.notes { margin-top: 12px; font-size: 12px; color: var(--muted); }
.signals { display: grid; grid-template-columns: repeat(auto-fill, minmax(148px, 1fr)); gap: 8px; }
.signal {
  padding: 9px 12px 10px; border-radius: 8px; background: var(--sunk); border: 1px solid transparent; min-width: 0;
}
.trend { height: 22px; margin-top: 4px; } .trend:empty { display: none; }
.trend svg { display: block; width: 100%; height: 22px; }
.trend path { fill: none; stroke: var(--accent); stroke-width: 1.4; vector-effect: non-scaling-stroke; opacity: .75; }
.signal h3 { color: var(--muted); font-weight: 400; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.signal .v { font-size: 20px; line-height: 1.25; font-weight: 500; letter-spacing: -.01em; overflow-wrap: anywhere; }
.signal .meta { display: flex; justify-content: space-between; gap: 8px; color: var(--faint); font-size: 12px; }
.signal.bad { border-color: color-mix(in srgb, var(--unplanned) 45%, transparent); }
.signal.bad .q { color: var(--unplanned); font-weight: 500; }
.signal.old { border: 1px dashed var(--line); }
.signal .v.none { color: var(--muted); font-size: 15px; line-height: 25px; font-weight: 400; }
"""

LISTS = """
.rows > li { display: grid; gap: 2px 16px; align-items: center; padding: 10px 0; border-top: 1px solid var(--line); }
.rows > li:first-child { border-top: 0; padding-top: 2px; }
.stops > li { grid-template-columns: 116px 96px minmax(0, 1fr) auto; }
.stops.wide > li { grid-template-columns: 96px 116px 96px minmax(0, 1fr) auto; }
.stops .why { min-width: 0; overflow-wrap: anywhere; }

.said .chip { margin-right: 6px; } .said small, .stops .why small { color: var(--faint); font-size: 12px; margin-left: 8px; }
.alarms > li { grid-template-columns: 116px 96px minmax(0, 1fr); align-items: start; }
.alarms .why small { display: block; margin: 2px 0 0; } .alarms .why { min-width: 0; overflow-wrap: anywhere; }
.pareto {
  display: grid; grid-template-columns: minmax(110px, max-content) minmax(80px, 1fr) repeat(3, auto); gap: 8px 16px;
}
.pareto li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; align-items: center; }
.pareto .lane { height: 18px; border-radius: 3px; background: var(--track); overflow: hidden; }
.pareto .lane i {
  display: block; height: 100%; background: var(--c, var(--accent)); min-width: 1px; border-radius: 3px;
}
.pareto-top { display: grid; grid-template-columns: minmax(0, 1fr) 220px; gap: 8px 28px; margin-bottom: 18px; }
.pareto-chart { height: 300px; width: 100%; min-width: 0; }
.means { display: grid; gap: 16px; align-content: center; } .means dt { color: var(--muted); font-weight: 500; }
.means dd.figure { font-size: 24px; line-height: 1.25; }
.pareto .r { text-align: right; white-space: nowrap; } .pareto .lab { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table.list { width: 100%; border-collapse: collapse; font-size: 13px; }
table.list th { text-align: left; font-weight: 500; color: var(--muted); padding: 4px 12px 8px 0; white-space: nowrap; }
table.list td {
  padding: 8px 12px 8px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere;
}
table.list .id { color: var(--faint); max-width: 120px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
table.list .r { text-align: right; } td .chip { vertical-align: top; }
table.list .mono, .log { font-family: "Roboto Mono", ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px; }
table.assets td, table.assets th { padding-left: 12px; padding-right: 0; }
.assets td { white-space: nowrap; } .assets td a b { font-weight: 500; }
table.assets :is(td, th):first-child { position: sticky; left: 0; background: var(--surface); padding-left: 0; }
.assets th .unit { font-size: 12px; } .assets .same { display: none; }
.assets small { display: block; font-size: 11px; line-height: 1.2; } .assets .bad { color: var(--unplanned); }
.scroll + .small:not(:empty) { margin-top: 10px; }
.ok { color: var(--run); } .trouble { color: var(--unplanned); }
.log { display: grid; gap: 0; line-height: 1.6; }
.log p {
  display: grid; grid-template-columns: 100px 110px 150px minmax(0, 1fr); gap: 12px; font: inherit; padding: 2px 0;
}
.log p:hover { background: var(--sunk); }
.log .said { color: var(--muted); overflow-wrap: anywhere; }
.log time { color: var(--faint); }
.dialog {
  background: var(--surface) !important; color: var(--text); border-radius: 12px !important; width: 520px;
  max-width: 94vw !important; padding: 20px 24px !important; gap: 14px !important; align-items: stretch !important;
}
.dialog .q-field__label, .dialog .q-radio__label { color: var(--text); }
.reasons { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 8px; }
.reasons button {
  display: flex; align-items: center; gap: 8px; min-height: 48px; padding: 6px 12px; text-align: left; font-weight: 500;
  border: 1px solid var(--line); border-radius: 8px; background: var(--sunk); overflow-wrap: anywhere; line-height: 1.25;
}
.reasons button > span:last-child { margin-left: auto; color: var(--faint); } .reasons button > span:first-child { margin: 0; }
.reasons button:hover, .reasons button[aria-pressed=true] { border-color: var(--accent); }
.reasons button[aria-pressed=true] { background: color-mix(in srgb, var(--accent) 12%, transparent); }
.reasons .back { color: var(--muted); }
.versions { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
.versions > div {
  border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; background: var(--sunk); min-width: 0;
  overflow-wrap: anywhere;
}
.q-btn { text-transform: none !important; }
@media (max-width: 640px) {
  .tiles { grid-template-columns: minmax(0, 1fr); gap: 10px; }
  .kpis { grid-template-columns: 1fr 1fr 1fr; } .kpi:first-child { grid-column: 1 / -1; }
  .stops > li, .alarms > li { grid-template-columns: minmax(0, 1fr) auto; }
  .stops > li > :nth-last-child(3) { text-align: right; }
  .stops.wide > li { grid-template-columns: minmax(0, 1fr) auto 92px; }
  .stops.wide .why { grid-column: 1 / 2; } .stops.wide .act { grid-column: 2 / -1; } .stops .act { justify-self: end; }
  .alarms .why small { display: block; margin: 2px 0 0; } .alarms .why { grid-column: 1 / -1; }
  table.stacked thead { display: none; } table.stacked tr:first-child { padding-top: 0; }
  table.stacked tr { display: grid; grid-template-columns: repeat(4, auto); gap: 2px 12px; padding: 10px 0; }
  table.stacked tr + tr { border-top: 1px solid var(--line); } table.stacked td { border: 0; padding: 0; }
  table.stacked td::before { content: attr(data-label); display: block; color: var(--faint); font-size: 11px; }
  table.assets tr { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 6px 12px; }
  table.assets td, table.assets td:first-child { padding: 0; white-space: normal; position: static; }
  .assets .same { display: inline; }
  table.stacked td.whole { grid-column: 1 / -1; } table.stacked .r { text-align: left; }
  .pareto { grid-template-columns: minmax(0, 1fr) repeat(3, auto); gap: 4px 12px; }
  .pareto li { row-gap: 4px; margin-bottom: 6px; }
  .pareto-top { grid-template-columns: minmax(0, 1fr); } .pareto-chart { height: 260px; }
  .means { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px; } .means dd.figure { font-size: 16px; }
  .pareto .lane { grid-column: 1 / -1; order: 9; height: 10px; } .pareto-head span:nth-child(2) { display: none; }
  .log p { grid-template-columns: 1fr auto; gap: 0 12px; padding: 6px 0; border-top: 1px solid var(--line); }
  .log .said { grid-column: 1 / -1; }
}
"""
