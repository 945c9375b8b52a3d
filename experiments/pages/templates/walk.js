(() => {
  const walk = document.getElementById("walk");
  const steps = [...walk.querySelectorAll(".step")];
  const links = [...document.querySelectorAll('a[href^="#step-"]')];
  const [previous, next] = ["previous", "next"].map((id) => document.getElementById(id));
  const count = document.getElementById("count");
  let at = 0;
  const show = (i, seen) => {
    at = Math.max(0, Math.min(steps.length - 1, i));
    steps.forEach((step, k) => step.classList.toggle("current", k === at));
    links.forEach((link) => {
      const here = link.getAttribute("href") === `#step-${at + 1}`;
      link.classList.toggle("current", here);
      if (here) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    });
    previous.disabled = at === 0;
    next.disabled = at === steps.length - 1;
    count.textContent = `${at + 1} of ${steps.length}`;
    document.documentElement.dataset.step = String(at + 1);
    if (seen) {
      history.replaceState(null, "", "#step-" + (at + 1));
      if (seen === "jump" || walk.getBoundingClientRect().top < 0) walk.scrollIntoView();
      if (seen === "jump") steps[at].focus({ preventScroll: true });
    }
  };
  const named = () => {
    const found = /^#step-(\d+)$/.exec(location.hash);
    return found ? Number(found[1]) - 1 : -1;
  };
  previous.addEventListener("click", () => show(at - 1, "walk"));
  next.addEventListener("click", () => show(at + 1, "walk"));
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#step-"]');
    if (!link) return;
    event.preventDefault();
    show(Number(link.getAttribute("href").slice(6)) - 1, link.closest("#walk") ? "walk" : "jump");
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
