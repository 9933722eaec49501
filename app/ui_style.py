"""How every page looks: colours for light and dark, type, spacing, the frame. Parts of pages are in ui_style_parts.py.

Rules: colours are tokens, one set for light and one for dark; digits of one width; what is not known is hatched.
"""

from __future__ import annotations

TOKENS = """
:root {
  --bg: #f3f5f7; --surface: #fff; --sunk: #f7f9fa; --line: #e2e7ec; --text: #15202b; --muted: #566472; --faint: #6b7885;
  --accent: #0b5c7d; --on-accent: #fff; --track: #e8ecf0;
  --shadow: 0 1px 2px rgb(16 32 48 / .05), 0 1px 6px rgb(16 32 48 / .04);
  --run: #17805a; --unplanned: #c62f39; --setup: #a86200; --planned: #55688f; --unknown: #6f7c89;
  --hatch: rgb(86 100 114 / .34);
}
body.body--dark {
  --bg: #0e141a; --surface: #161f28; --sunk: #121a22; --line: #26323e; --text: #e7ecf1; --muted: #a0adba;
  --faint: #8794a1;
  --accent: #62bce0; --on-accent: #0b1a22; --track: #24303b; --shadow: none;
  --run: #45c08d; --unplanned: #f4707a; --setup: #e3a643; --planned: #95a9d0; --unknown: #8b98a6;
  --hatch: rgb(160 173 186 / .36);
}
body { --q-primary: #0b5c7d !important; --q-positive: #17805a !important; }
body.body--dark { --q-primary: #62bce0 !important; }
body.body--dark .q-btn.bg-primary { color: var(--on-accent) !important; }
html.early-dark { background: #0e141a; }
.is-run { --c: var(--run); } .is-unplanned { --c: var(--unplanned); } .is-setup { --c: var(--setup); }
.is-planned { --c: var(--planned); } .is-unknown { --c: var(--unknown); }
.hatched, .is-unknown.fill {
  background: repeating-linear-gradient(-45deg, var(--hatch) 0 2px, transparent 2px 6px) !important;
}
"""

FRAME = """
body {
  background: var(--bg) !important; color: var(--text) !important; margin: 0;
  font: 400 14px/1.45 Roboto, system-ui, "Segoe UI", sans-serif; -webkit-font-smoothing: antialiased;
}
.nicegui-layout { min-height: 100vh !important; }
.nicegui-content { padding: 0; gap: 0; align-items: stretch; }
.num, time, td, .figure { font-variant-numeric: tabular-nums; }
a { color: inherit; text-decoration: none; }
h1, h2, h3, p, dl, dd, ol, ul, figure { margin: 0; padding: 0; font-weight: 500; letter-spacing: 0; line-height: 1.3; }
p, dd, li, figure { font-weight: 400; line-height: 1.45; }
h1 { font-size: 24px; letter-spacing: -.01em; } h2 { font-size: 15px; } h3 { font-size: 13px; }
ol, ul { list-style: none; }
:where(button.plain) { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent) !important; outline-offset: 2px; border-radius: 6px; }
.muted { color: var(--muted); }
.small { font-size: 12px; }
.unit { color: var(--muted); font-size: .8em; font-weight: 400; margin-left: .08em; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -999px; top: 8px; z-index: 9; padding: 8px 12px; background: var(--surface); }
.skip:focus { left: 8px; }
.glyph { width: 11px; height: 11px; fill: currentColor; color: var(--c, currentColor); flex: none; }

.bar { position: sticky; top: 0; z-index: 5; background: var(--surface); border-bottom: 1px solid var(--line); }
.bar-in {
  max-width: 1320px; margin: 0 auto; padding: 0 24px; min-height: 56px;
  display: flex; flex-wrap: wrap; align-items: center; column-gap: 24px;
}
.brand { display: flex; align-items: center; gap: 10px; font-size: 16px; font-weight: 600; letter-spacing: -.01em; }
.brand svg { width: 24px; height: 24px; }
.brand span { color: var(--muted); font-weight: 400; }
.nav { display: flex; gap: 4px; }
.nav a { padding: 6px 10px; border-radius: 6px; color: var(--muted); font-weight: 500; }
.nav a:hover { color: var(--text); background: var(--sunk); }
.nav a[aria-current] { color: var(--accent); background: color-mix(in srgb, var(--accent) 9%, transparent); }
.bar-end { margin-left: auto; display: flex; align-items: center; gap: 12px; color: var(--muted); white-space: nowrap; }
.bar-end b { font-weight: 500; color: var(--text); }
.icon { display: grid; place-items: center; width: 32px; height: 32px; border-radius: 6px; color: var(--muted); }
.icon:hover { background: var(--sunk); color: var(--text); }
.icon svg { width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.8; }

.backlog { background: var(--sunk); border-bottom: 1px solid var(--line); }
.backlog-in {
  max-width: 1320px; margin: 0 auto; padding: 7px 24px; display: flex; align-items: center; gap: 6px 14px; flex-wrap: wrap;
  box-sizing: border-box; font-size: 13px;
}
.backlog-track { flex: 1 1 120px; height: 6px; border-radius: 3px; background: var(--track); overflow: hidden; }
.backlog-track i { display: block; height: 100%; background: var(--accent); border-radius: 3px; transition: width .4s; }

.page { max-width: 1320px; width: 100%; margin: 0 auto; padding: 24px 24px 56px; box-sizing: border-box; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; margin-bottom: 20px; min-height: 32px; }
.head .end { margin-left: auto; }
.stack { display: grid; gap: 16px; }
.grid2 { display: grid; gap: 16px; grid-template-columns: minmax(0, 5fr) minmax(0, 4fr); align-items: start; }
.card {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow);
  padding: 16px 20px 18px; min-width: 0;
}
.card-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; margin-bottom: 12px; }
.card-head .end { margin-left: auto; align-self: center; }
.chip { display: inline-flex; align-items: center; gap: 6px; color: var(--c); font-weight: 500; white-space: nowrap; }
.seg {
  display: inline-flex; border: 1px solid var(--line); border-radius: 7px; overflow: hidden; background: var(--sunk);
}
.seg button { padding: 4px 11px; color: var(--muted); font-size: 13px; }
.seg button + button { border-left: 1px solid var(--line); }
.seg button[aria-pressed=true] { background: var(--surface); color: var(--accent); font-weight: 500; }
.btn {
  display: inline-block; padding: 5px 12px; border: 1px solid var(--line); border-radius: 7px;
  background: var(--surface);
  color: var(--accent); font-size: 13px; font-weight: 500; white-space: nowrap;
}
.btn:hover { border-color: var(--accent); }
.choices { display: flex; flex-wrap: wrap; gap: 8px; } .more { text-align: center; margin-top: 12px; }
.empty { padding: 16px 8px; text-align: center; color: var(--muted); }
.empty h2 { color: var(--text); font-size: 17px; margin-bottom: 6px; }
.empty code {
  font-size: 13px; background: var(--sunk); border: 1px solid var(--line); border-radius: 5px; padding: 1px 6px;
}
.links { display: flex; flex-wrap: wrap; gap: 8px; justify-content: center; margin-top: 16px; }
@media (max-width: 900px) { .grid2 { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 640px) {
  .bar-in { padding: 0 12px; min-height: 48px; column-gap: 8px; }
  .bar-end { gap: 6px; } .bar-end .zone { font-size: 12px; } .brand { gap: 8px; flex: 1 1 0; min-width: 0; }
  .brand span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .nav { order: 3; width: 100%; margin: 0 -4px 6px; justify-content: space-between; gap: 0; }
  .nav a { padding: 6px; font-size: 13.5px; }
  .page { padding: 16px 12px 40px; }
  .backlog-in { padding: 6px 12px; }
  .card { padding: 14px 14px 16px; }
  .head { margin-bottom: 14px; }
}
.tile, .nav a, .btn { transition: background-color .2s, border-color .2s; }
@media print { .bar { position: static; } .bar-end, .btn { display: none; } }
"""
