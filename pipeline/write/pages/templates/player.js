(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const player = document.getElementById("player");
  const part = (name) => player.querySelector(`[data-part="${name}"]`);
  const stage = part("stage"), canvas = part("canvas");
  const stills = [...player.querySelectorAll("[data-still]")];
  const frames = [...document.querySelectorAll("img[data-frame]")].sort((a, b) => a.dataset.frame - b.dataset.frame);
  const cursor = document.getElementById("chart-cursor");
  const state = { ...study.start, timer: 0 };
  let viewer = null;

  function draw() {
    if (!viewer) return;
    viewer.draw(canvas, state.phase, state.slice);
    for (const still of stills) viewer.draw(still.firstElementChild, Number(still.dataset.still), state.slice);
    const { zoom, low, high } = viewer.look, width = Math.round(high - low), level = Math.round((high + low) / 2);
    part("look").textContent = `W ${width}  L ${level}${zoom > 1 ? `  ${zoom.toFixed(1)}×` : ""}`;
    const ruler = viewer.measureRuler();
    part("ruler").textContent = `${ruler.mm} mm`;
    part("ruler").style.width = `${100 * ruler.share}%`;
    for (const [name, value] of Object.entries({ zoom, width, level })) part(name).value = value;
  }

  function say() {
    const time = study.times_ms ? ` · ${Math.round(study.times_ms[state.phase])} ms` : "";
    const mark = study.marks[state.phase] || "";
    const where = `phase ${state.phase + 1} of ${study.n_phases}${time}\nslice ${state.slice + 1} of ${study.n_slices}`;
    part("where").textContent = where;
    part("mark").textContent = mark;
    stage.setAttribute("aria-label", `Short axis, ${where.replace("\n", ", ")} ${mark}`.trim());
    if (!state.timer) part("said").textContent = stage.getAttribute("aria-label");
    for (const [name, number] of [["phase", state.phase], ["slice", state.slice]]) {
      part(name).value = number;
      part(name).setAttribute("aria-valuetext", `${name} ${number + 1}`);
    }
  }

  function moveCursor() {
    const point = document.querySelector(`#chart [data-phase="${state.phase}"]`);
    if (!cursor || !point) return;
    cursor.setAttribute("x1", point.dataset.x);
    cursor.setAttribute("x2", point.dataset.x);
    cursor.setAttribute("visibility", "visible");
  }

  function show(phase, slice) {
    state.phase = (phase + study.n_phases) % study.n_phases; // the beat is a cycle
    state.slice = Math.min(Math.max(slice, 0), study.n_slices - 1);
    say();
    draw();
    moveCursor();
  }

  function play(on) {
    clearInterval(state.timer);
    const speed = Number(part("speed").value);
    state.timer = on ? setInterval(() => show(state.phase + 1, state.slice), study.step_ms / speed) : 0;
    part("play").textContent = on ? "Pause" : "Play";
    say();
  }

  function change(act) { // anything about the look
    act(viewer.look);
    draw();
  }

  function setFill(percent) {
    part("fill").value = percent;
    change((look) => { look.fill = percent / 100; });
  }

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const keys = {
    ArrowLeft: () => show(state.phase - 1, state.slice),
    ArrowRight: () => show(state.phase + 1, state.slice),
    ArrowUp: () => show(state.phase, state.slice + 1),
    ArrowDown: () => show(state.phase, state.slice - 1),
    " ": () => play(!state.timer),
    c: () => part("contours").click(),
    f: () => setFill(Number(part("fill").value) ? 0 : 35),
    "+": () => change((look) => viewer.zoomTo(look.zoom * 1.25)),
    "=": () => keys["+"](), // the same key without shift
    "-": () => change((look) => viewer.zoomTo(look.zoom / 1.25)),
    0: () => change(viewer.reset),
  };

  player.addEventListener("keydown", (event) => {
    const own = event.target.matches("select") // a control's own keys come first
      || (event.target.matches("input[type=range]") && event.key.startsWith("Arrow"))
      || (event.target.matches("button, input[type=checkbox]") && event.key === " ");
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (own || !act || !viewer || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.shiftKey && arrows[event.key]) {
      const [x, y] = arrows[event.key];
      change((look) => viewer.moveBy(0.1 * x / look.zoom, 0.1 * y / look.zoom));
    } else act();
  });

  const share = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  let turned = 0; // of the wheel, in pixels: a notch is some 100, a touch pad sends many small steps
  player.querySelector(".stages").addEventListener("wheel", (event) => {
    event.preventDefault();
    if (!viewer) return;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 33);
    if (event.ctrlKey) { // also what pinching a touch pad sends
      change((look) => viewer.zoomTo(look.zoom * Math.exp(-pixels / 300), ...(stage.contains(event.target) ? share(event) : [])));
      return;
    }
    turned += pixels;
    const steps = Math.trunc(turned / 50);
    if (!steps) return;
    turned = 0;
    show(state.phase, state.slice - Math.sign(steps));
  }, { passive: false });

  const touches = new Map(); // id of a pointer that is down -> where it was
  stage.addEventListener("pointerdown", (event) => {
    if (!viewer || event.button > 1) return;
    stage.setPointerCapture(event.pointerId);
    touches.set(event.pointerId, share(event));
    stage.focus({ preventScroll: true });
    if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
  });
  stage.addEventListener("pointermove", (event) => {
    const before = touches.get(event.pointerId);
    if (!before) return;
    const now = share(event), dx = now[0] - before[0], dy = now[1] - before[1];
    const other = [...touches].find(([id]) => id !== event.pointerId)?.[1];
    touches.set(event.pointerId, now);
    if (other) pinch(before, now, other);
    else if (event.pointerType !== "touch") drag(event, dx, dy); // one finger scrolls the page
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => touches.delete(event.pointerId));

  function drag(event, dx, dy) {
    const moves = (part("drag").value === "move") !== event.shiftKey || event.buttons === 4;
    change((look) => {
      if (moves) viewer.moveBy(-dx / look.zoom, -dy / look.zoom);
      else viewer.setWindow(look.high - look.low + 300 * dx, (look.high + look.low) / 2 + 300 * dy);
    });
  }

  function pinch(before, now, other) {
    const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    change((look) => {
      viewer.moveBy((before[0] - now[0]) / 2 / look.zoom, (before[1] - now[1]) / 2 / look.zoom);
      viewer.zoomTo(look.zoom * apart(now) / Math.max(apart(before), 0.01), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    });
  }

  function follow(event) { // a curve's phase, a slice below, a flag
    const target = event.target.closest?.("[data-phase], [data-slice]");
    if (!target || player.contains(target)) return false;
    play(false);
    show(Number(target.dataset.phase ?? state.phase), Number(target.dataset.slice ?? state.slice));
    return true;
  }

  document.addEventListener("click", (event) => {
    if (!follow(event)) return;
    event.preventDefault();
    stage.focus({ preventScroll: true });
    player.scrollIntoView({ block: "nearest" });
  });
  document.getElementById("chart")?.addEventListener("pointermove", (event) => event.buttons & 1 && follow(event));

  part("phase").addEventListener("input", () => { show(Number(part("phase").value), state.slice); play(false); });
  part("slice").addEventListener("input", () => show(state.phase, Number(part("slice").value)));
  part("contours").addEventListener("change", () => change((look) => { look.outlines = part("contours").checked; }));
  part("fill").addEventListener("input", () => setFill(Number(part("fill").value)));
  part("zoom").addEventListener("input", () => change(() => viewer.zoomTo(Number(part("zoom").value))));
  for (const name of ["width", "level"]) {
    part(name).addEventListener("input", () => change(() => viewer.setWindow(Number(part("width").value), Number(part("level").value))));
  }
  for (const box of player.querySelectorAll("[data-structure]")) {
    box.addEventListener("change", () => change((look) => { look.shown[box.dataset.structure] = box.checked; }));
  }
  for (const still of stills) still.addEventListener("click", () => { play(false); show(Number(still.dataset.still), state.slice); });
  part("reset").addEventListener("click", () => change(viewer.reset));
  part("play").addEventListener("click", () => play(!state.timer));
  part("speed").addEventListener("change", () => play(Boolean(state.timer)));
  stage.addEventListener("dblclick", () => change(viewer.reset));
  for (const link of document.querySelectorAll("[data-step]")) link.hash += location.hash.replace("#", "&"); // order and filter

  function fit() {
    const ratio = window.devicePixelRatio || 1;
    for (const each of [canvas, ...stills.map((still) => still.firstElementChild)]) {
      each.width = Math.round(each.clientWidth * ratio);
      each.height = Math.round(each.clientHeight * ratio);
    }
    draw();
  }

  Promise.all(frames.map((frame) => frame.decode())).then(() => {
    viewer = makeViewer(study, frames);
    new ResizeObserver(fit).observe(stage);
    fit();
    show(state.phase, state.slice);
    player.dataset.ready = "true";
  });
})();
