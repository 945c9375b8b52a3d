"""What a page of a trace looks like, and the few lines that let one walk."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2125; --soft: #5c6670;
  --line: #d5dadf; --card: #f5f7f9; --forth: #0072b2; --back: #c24e00; --here: #ffe9d6;
  --shade: #0003; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181b; --ink: #e6e9ec; --soft: #a3adb7;
  --line: #3a4249; --card: #1e2327; --forth: #4db0e8; --back: #f08a4b; --here: #47301f;
  --shade: #fff3; }
  .drawn svg { filter: invert(1) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(.8rem, 3vw, 2rem) 4rem; max-width: 72rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: .4rem 0 .6rem; } h4 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
h1, h2, h3, p, li { overflow-wrap: anywhere; }
.soft, small, figcaption { color: var(--soft); }
a { color: var(--forth); }
.wide { overflow-x: auto; max-width: 100%; --under: var(--paper);
  /* A shadow at the edge beyond which there is more. */
  background: linear-gradient(to right, var(--under) 40%, transparent) 0 0,
    linear-gradient(to left, var(--under) 40%, transparent) 100% 0,
    linear-gradient(to right, var(--shade), transparent) 0 0,
    linear-gradient(to left, var(--shade), transparent) 100% 0;
  background-size: 2.4rem 100%, 2.4rem 100%, .8rem 100%, .8rem 100%;
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
.finding .wide { --under: var(--card); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .18rem .7rem .18rem 0; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid var(--ink); font-weight: 600; }
.left { text-align: left; } td:first-child, th:first-child { text-align: left; }
.name { white-space: normal; min-width: 9ch; max-width: 22ch; overflow-wrap: anywhere; }
caption { text-align: left; padding-bottom: .3rem; color: var(--soft); overflow-wrap: anywhere; }
.finding { border-left: 4px solid var(--back); background: var(--card); padding: .6rem 1rem;
  margin: .8rem 0; } .finding p { margin: .4rem 0; }
.healthy { border-color: var(--forth); }
.drawn svg { display: block; width: 100%; min-width: 52rem; height: auto; }
.bar { position: sticky; top: 0; background: var(--paper); padding: .5rem 0; z-index: 2;
  border-bottom: 1px solid var(--line); }
.buttons { display: none; gap: .6rem; align-items: center; }
.walking .buttons { display: flex; }
button { font: inherit; padding: .45rem 1rem; min-width: 6.2rem; color: var(--ink);
  background: var(--card); border: 1px solid var(--soft); border-radius: .4rem; }
button:disabled { opacity: .45; }
.count { flex: 1; text-align: center; font-variant-numeric: tabular-nums; }
.strip { display: flex; gap: 1px; height: 3.6rem; margin-top: .5rem; }
.strip a { flex: 1 1 0; min-width: 1px; display: flex; align-items: flex-end; }
.strip span { display: block; width: 100%; background: var(--back); opacity: .55; }
.strip a:hover span { opacity: .8; } .strip a.current { background: var(--here); }
.strip a.current span { opacity: 1; }
ol.steps { list-style: none; margin: 0; padding: 0; }
.step { padding: .8rem 0 1.6rem; border-bottom: 1px solid var(--line); scroll-margin-top: 8rem; }
.walking .step { display: none; border: 0; } .walking .step.current { display: block; }
.formulas { margin: .2rem 0 .9rem; padding: .5rem .9rem; background: var(--card);
  list-style: none; font-family: "STIX Two Text", Cambria, Georgia, serif; font-size: 1.1rem; }
.spreads { display: grid; gap: .9rem 1.4rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
figure { margin: 0; } figcaption b { color: var(--ink); }
.spread { display: flex; flex-direction: column; justify-content: flex-end; }
.spread svg { display: block; width: 100%; height: auto; }
.spread text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.tick { stroke: var(--soft); fill: none; }
.forth .bars { fill: var(--forth); } .back .bars { fill: var(--back); }
@media (max-width: 40rem) { th, td { padding-right: .55rem; } table { font-size: .85rem; }
  button { min-width: 5.4rem; padding: .45rem .6rem; } .strip { height: 2.6rem; }
  .spreads { grid-template-columns: 1fr 1fr; } .spread text { font-size: 14px; } }
@media print { .bar { position: static; } .walking .step { display: block; } }
"""

SCRIPT = """
(() => {
  const walk = document.getElementById("walk");
  const steps = [...walk.querySelectorAll(".step")];
  const bars = [...walk.querySelectorAll(".strip a")];
  const [previous, next] = ["previous", "next"].map((id) => document.getElementById(id));
  const count = document.getElementById("count");
  let at = 0;
  const show = (i, seen) => {
    at = Math.max(0, Math.min(steps.length - 1, i));
    steps.forEach((step, k) => step.classList.toggle("current", k === at));
    bars.forEach((bar, k) => bar.classList.toggle("current", k === at));
    previous.disabled = at === 0;
    next.disabled = at === steps.length - 1;
    count.textContent = `${at + 1} of ${steps.length}`;
    document.documentElement.dataset.step = String(at + 1);
    if (seen) {
      history.replaceState(null, "", "#step-" + (at + 1));
      if (seen === "jump" || walk.getBoundingClientRect().top < 0) walk.scrollIntoView();
    }
  };
  const named = () => {
    const found = /^#step-(\\d+)$/.exec(location.hash);
    return found ? Number(found[1]) - 1 : -1;
  };
  previous.addEventListener("click", () => show(at - 1, "walk"));
  next.addEventListener("click", () => show(at + 1, "walk"));
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#step-"]');
    if (!link) return;
    event.preventDefault();
    show(Number(link.hash.slice(6)) - 1, link.closest("#walk") ? "walk" : "jump");
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest(".wide, input, select, textarea")) return;
    if (event.key === "ArrowRight") show(at + 1, "walk");
    else if (event.key === "ArrowLeft") show(at - 1, "walk");
    else return;
    event.preventDefault();
  });
  addEventListener("hashchange", () => { if (named() >= 0) show(named(), "jump"); });
  document.documentElement.classList.add("walking");
  show(Math.max(0, named()), named() >= 0 ? "jump" : "");
})();
"""
