"""What the browser does by itself: it counts ages on, keeps the plant's clock, and remembers light or dark.

Rules: no request is made here. Ages are counted by the server's clock, whose distance to the browser's is taken when the page
comes. A click or a key on something with `data-act` is for the server, and is passed on by the element around it.
"""

from __future__ import annotations

SCRIPT = """
(() => {
  const NARROW = "\\u202f";
  let skew = 0;
  const two = (n) => String(n).padStart(2, "0");
  function span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
    if (s < 60) return s + NARROW + "s";
    if (m < 60) return m + NARROW + "min " + two(s % 60) + NARROW + "s";
    if (h < 24) return h + NARROW + "h " + two(m % 60) + NARROW + "min";
    return d + NARROW + "d " + (h % 24) + NARROW + "h";
  }
  function tick() {
    const now = Date.now() + skew;
    for (const each of document.querySelectorAll("[data-since]")) {
      const text = span(now - Number(each.dataset.since));
      if (each.textContent !== text) each.textContent = text;
    }
    for (const each of document.querySelectorAll("[data-clock]")) {
      const text = new Intl.DateTimeFormat("en-GB", {timeStyle: "medium", timeZone: each.dataset.clock}).format(now);
      if (each.textContent !== text) each.textContent = text;
    }
  }
  window.tailrace = {
    started(now) { skew = now - Date.now(); tick(); setInterval(tick, 1000); },
    theme() {
      const dark = !document.body.classList.contains("body--dark");
      localStorage.setItem("tailrace-theme", dark ? "dark" : "light");
      setDark(dark);
    },
    themed() {
      const kept = localStorage.getItem("tailrace-theme");
      if (kept) setDark(kept === "dark");
    },
    name(given) {
      if (given !== undefined) localStorage.setItem("tailrace-name", given);
      return localStorage.getItem("tailrace-name") || "";
    },
  };
})();
"""

ACT = """(event) => {
  const target = event.target.closest("[data-act]");
  if (target) emit(target.dataset.act);
}"""
"""Handler of a click: emits what the nearest thing around it stands for."""
