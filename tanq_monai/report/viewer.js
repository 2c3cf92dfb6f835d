"use strict";
(() => {
  const root = document.documentElement;
  const viewer = document.getElementById("viewer");
  const help = document.getElementById("help");
  const status = document.getElementById("status");
  const links = [...document.querySelectorAll(".list a")];
  const cases = [...document.querySelectorAll(".case")].map((element) => ({
    element,
    slices: [...element.querySelectorAll(".slice")],
    views: [...element.querySelectorAll(".views button")],
    slider: element.querySelector(".slider"),
  }));
  const whole = cases[0].slices[0].querySelector("svg").getAttribute("viewBox");
  const wholeScale = cases[0].slices[0].querySelector(".scale").textContent;
  const FAST = 5; // slices of Page Up and Page Down
  const WHEEL = 40; // pixels of the wheel for a slice, so that a trackpad is not too quick
  let current = 0;
  let slice = 0;
  let wheeled = 0;
  let bright = 1;

  const position = (shown, z) => shown.slices.findIndex((figure) => figure.dataset.z === z);

  function showSlice(index) {
    const shown = cases[current];
    slice = Math.min(Math.max(index, 0), shown.slices.length - 1);
    shown.slices.forEach((figure, i) => figure.classList.toggle("shown", i === slice));
    const text = shown.slices[slice].querySelector("figcaption").firstChild.textContent;
    shown.slider.value = slice;
    shown.slider.setAttribute("aria-valuetext", text);
    status.textContent = shown.slices[slice].querySelector("svg").getAttribute("aria-label");
  }

  function look(button) {
    const shown = cases[current];
    shown.views.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    viewer.style.setProperty("--closer", button ? button.dataset.bright : 1);
    for (const figure of shown.slices) {
      figure.querySelector("svg").setAttribute("viewBox", button ? button.dataset.box : whole);
      figure.querySelector(".scale").textContent = button ? `${button.dataset.mm} mm` : wholeScale;
    }
    if (button) showSlice(position(shown, button.dataset.z));
  }

  function toggleView(button) {
    if (!button) return;
    look(button.getAttribute("aria-pressed") === "true" ? null : button);
  }

  function showCase(index) {
    const wanted = Math.min(Math.max(index, 0), cases.length - 1);
    look(null);
    current = wanted;
    cases.forEach((other, i) => other.element.classList.toggle("shown", i === current));
    links.forEach((link, i) => {
      const row = link.closest("tr");
      if (i === current) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    });
    showRow(links[current].closest("tr"));
    showSlice(position(cases[current], cases[current].element.dataset.start));
  }

  function goTo(index) {
    showCase(index);
    if (!inView()) viewer.scrollIntoView({ block: "start" });
    try {
      history.replaceState(null, "", `#${cases[current].element.id}`);
    } catch (error) {
      // some browsers forbid it for files; then the address stays as it is
    }
  }

  function showRow(row) { // scrolls the list alone, not the page
    const list = row.closest(".wide");
    const below = row.offsetTop + row.offsetHeight - list.clientHeight;
    const above = row.offsetTop - list.querySelector("thead").offsetHeight;
    list.scrollTop = Math.min(Math.max(list.scrollTop, below), above);
  }

  function inView() {
    const { top, bottom } = cases[current].element.querySelector(".stack").getBoundingClientRect();
    return Math.min(bottom, innerHeight) - Math.max(top, 0) > (bottom - top) / 2;
  }

  function toggleContours() {
    const plain = viewer.classList.toggle("plain");
    viewer.querySelector("[data-do=contours]").setAttribute("aria-pressed", String(!plain));
  }

  function brighten(by) {
    bright = Math.min(Math.max(bright * by, 0.4), 4);
    viewer.style.setProperty("--bright", bright);
  }

  const sliceKeys = {
    ArrowUp: () => showSlice(slice + 1),
    ArrowDown: () => showSlice(slice - 1),
    k: () => showSlice(slice + 1),
    j: () => showSlice(slice - 1),
    PageUp: () => showSlice(slice + FAST),
    PageDown: () => showSlice(slice - FAST),
    Home: () => showSlice(Infinity),
    End: () => showSlice(0),
  };
  const keys = {
    ArrowLeft: () => goTo(current - 1),
    ArrowRight: () => goTo(current + 1),
    c: toggleContours,
    "?": () => help.showModal(),
    0: () => look(null),
    "+": () => brighten(1.25),
    "-": () => brighten(1 / 1.25),
  };
  const actions = {
    previous: () => goTo(current - 1),
    next: () => goTo(current + 1),
    contours: toggleContours,
    whole: () => look(null),
    help: () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (document.activeElement.closest(".wide")) return; // a table that scrolls keeps its keys
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // The arrows scroll the page as ever where the slices are out of sight.
    const act = (inView() && sliceKeys[key]) || keys[key]
      || (/^[1-9]$/.test(key) && (() => toggleView(cases[current].views[Number(key) - 1])));
    if (!act) return;
    event.preventDefault();
    act();
  });
  viewer.addEventListener("wheel", (event) => {
    if (event.ctrlKey || !event.target.closest(".stack, .strip, .slider")) return;
    event.preventDefault();
    wheeled += event.deltaMode === 0 ? event.deltaY : event.deltaY * WHEEL;
    const steps = Math.trunc(wheeled / WHEEL);
    if (!steps) return;
    wheeled = 0;
    showSlice(slice - Math.sign(steps));
  }, { passive: false });
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const strip = event.target.closest(".strip");
    if (button && button.dataset.do) actions[button.dataset.do]();
    else if (button) toggleView(button);
    else if (strip) {
      const { left, width } = strip.getBoundingClientRect();
      showSlice(Math.round(((event.clientX - left) / width) * (cases[current].slices.length - 1)));
    }
  });
  viewer.addEventListener("input", (event) => {
    if (event.target.matches(".slider")) showSlice(Number(event.target.value));
  });
  links.forEach((link, i) => link.addEventListener("click", (event) => {
    event.preventDefault();
    goTo(i);
    viewer.focus({ preventScroll: true });
  }));
  addEventListener("hashchange", () => open(location.hash));
  addEventListener("beforeprint", () => {
    look(null);
    viewer.style.removeProperty("--bright");
    bright = 1;
  });

  function open(hash) {
    const index = cases.findIndex((shown) => `#${shown.element.id}` === hash);
    if (index >= 0) goTo(index);
  }

  root.classList.add("scripted");
  showCase(0);
  open(location.hash);
})();
