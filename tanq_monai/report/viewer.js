"use strict";
(() => {
  const root = document.documentElement;
  const viewer = document.getElementById("viewer");
  const help = document.getElementById("help");
  const grey = document.getElementById("grey");
  const status = document.getElementById("status");
  const links = [...document.querySelectorAll(".list a")];
  const cases = [...document.querySelectorAll(".case")].map((element) => ({
    element,
    slices: [...element.querySelectorAll(".slice")],
    views: [...element.querySelectorAll(".views button")],
    reformats: [...element.querySelectorAll(".reformat")],
    slider: element.querySelector(".slider"),
  }));
  const whole = cases[0].slices[0].querySelector("svg").getAttribute("viewBox");
  const wholeScale = cases[0].slices[0].querySelector(".scale").textContent;
  const FAST = 5; // slices of Page Up and Page Down
  const DRAG = 0.004; // of the grey range for a pixel of the mouse
  const STEP = 1.25; // of a key
  const CLICK = 3; // pixels that a click may move
  const LAST = "last"; // the last case of a page
  const WHEEL = 40; // pixels of the wheel for a slice, so that a trackpad is not too quick
  let current = 0;
  let slice = 0;
  let wheeled = 0;
  let level = 0.5; // grey range that is shown: level - width / 2 is black, level + width / 2 white
  let width = 1;
  let drag = null;
  let dragged = false;

  const within = (figures, selector) => figures.flatMap((figure) => [...figure.querySelectorAll(selector)]);
  const position = (shown, z) => shown.slices.findIndex((figure) => figure.dataset.z === z);

  function showSlice(index) {
    const shown = cases[current];
    slice = Math.min(Math.max(index, 0), shown.slices.length - 1);
    shown.slices.forEach((figure, i) => figure.classList.toggle("shown", i === slice));
    const text = shown.slices[slice].querySelector("figcaption").firstChild.textContent;
    shown.slider.value = slice;
    shown.slider.setAttribute("aria-valuetext", text);
    const z = Number(shown.slices[slice].dataset.z);
    for (const figure of shown.reformats) drawLevel(figure, z);
    status.textContent = shown.slices[slice].querySelector("svg").getAttribute("aria-label");
  }

  function drawLevel(figure, z) { // the line where an axial slice lies
    const { lowest, step } = figure.dataset;
    const wide = figure.querySelector("svg").viewBox.baseVal.width;
    figure.querySelector(".line").setAttribute("d", `M0 ${Math.round(lowest - step * z)}H${wide}`);
  }

  function showPlace(index) { // its coronal and sagittal pictures, and where they cut the axial ones
    const shown = cases[current];
    const [x, y] = shown.views[index].dataset.crossing.split(" ");
    const [, , wide, tall] = whole.split(" ");
    for (const figure of shown.reformats) figure.classList.toggle("shown", Number(figure.dataset.view) === index);
    for (const line of within(shown.slices, ".line")) line.setAttribute("d", `M0 ${y}H${wide}M${x} 0V${tall}`);
  }

  function look(button) {
    const shown = cases[current];
    shown.views.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    viewer.style.setProperty("--closer", button ? button.dataset.bright : 1);
    for (const svg of within(shown.slices, "svg")) svg.setAttribute("viewBox", button ? button.dataset.box : whole);
    for (const scale of within(shown.slices, ".scale")) scale.textContent = button ? `${button.dataset.mm} mm` : wholeScale;
    if (!button) return;
    showPlace(shown.views.indexOf(button));
    showSlice(position(shown, button.dataset.z));
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
    const { start } = cases[current].element.dataset;
    showPlace(Math.max(cases[current].views.findIndex((button) => button.dataset.z === start), 0));
    showSlice(position(cases[current], start));
  }

  function goTo(index) {
    const page = index < 0 ? "prev" : index >= cases.length ? "next" : "";
    const link = page && document.querySelector(`a[rel=${page}]`);
    if (link) {
      location.href = link.href + (index < 0 ? `#${LAST}` : "");
      return;
    }
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

  function showNearest(figure, y) { // the axial slice at a height in a coronal or sagittal picture
    const { top, height } = figure.querySelector("svg").getBoundingClientRect();
    const { lowest, step } = figure.dataset;
    const z = (lowest - ((y - top) / height) * figure.querySelector("svg").viewBox.baseVal.height) / step;
    const far = cases[current].slices.map((one) => Math.abs(Number(one.dataset.z) - z));
    showSlice(far.indexOf(Math.min(...far)));
  }

  function toggleContours() {
    const plain = viewer.classList.toggle("plain");
    viewer.querySelector("[data-do=contours]").setAttribute("aria-pressed", String(!plain));
  }

  function setWindow(newLevel, newWidth) {
    width = Math.min(Math.max(newWidth, 0.1), 2);
    level = Math.min(Math.max(newLevel, width / 2), 2); // what is black in the file stays black
    viewer.style.setProperty("--brightness", 1 / (2 * level));
    viewer.style.setProperty("--contrast", (2 * level) / width);
    grey.textContent = level === 0.5 && width === 1 ? "" : `level ${Math.round(100 * level)} %, window ${Math.round(100 * width)} %`;
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
    "+": () => setWindow(level / STEP, width / STEP),
    "-": () => setWindow(level * STEP, width * STEP),
    ".": () => setWindow(level, width / STEP),
    ",": () => setWindow(level, width * STEP),
    r: () => setWindow(0.5, 1),
  };
  const actions = {
    previous: () => goTo(current - 1),
    next: () => goTo(current + 1),
    contours: toggleContours,
    whole: () => look(null),
    darker: keys["-"],
    brighter: keys["+"],
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
    const reformat = event.target.closest(".reformat .picture");
    if (button && button.dataset.do) actions[button.dataset.do]();
    else if (button) toggleView(button);
    else if (strip) {
      const box = strip.getBoundingClientRect();
      showSlice(Math.floor(((event.clientX - box.left) / box.width) * cases[current].slices.length));
    } else if (reformat && !dragged) showNearest(reformat.parentElement, event.clientY);
  });
  viewer.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType === "touch" || event.button !== 0 || !event.target.closest(".picture")) return;
    drag = { x: event.clientX, y: event.clientY, level, width };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
    dragged ||= Math.hypot(right, down) > CLICK;
    if (dragged) setWindow(drag.level + DRAG * down, drag.width + DRAG * right);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { drag = null; });
  viewer.addEventListener("dragstart", (event) => event.preventDefault());
  viewer.addEventListener("dblclick", (event) => {
    if (event.target.closest(".picture")) setWindow(0.5, 1);
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
    setWindow(0.5, 1);
    for (const { reformats } of cases) reformats.forEach((figure) => drawLevel(figure, Number(figure.dataset.z)));
  });
  addEventListener("afterprint", () => showSlice(slice));

  function open(hash) {
    const index = hash === `#${LAST}` ? cases.length - 1 : cases.findIndex((shown) => `#${shown.element.id}` === hash);
    if (index >= 0) goTo(index);
  }

  root.classList.add("scripted");
  showCase(0);
  open(location.hash);
})();
