"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const player = document.getElementById("player");
  const part = (name) => player.querySelector(`[data-part="${name}"]`);
  const stage = part("stage"), canvas = part("canvas"), pen = canvas.getContext("2d");
  const frames = [...document.querySelectorAll("img[data-frame]")]
    .sort((a, b) => a.dataset.frame - b.dataset.frame);
  const cursor = document.getElementById("chart-cursor");
  const state = { ...study.start, timer: 0 };

  function draw() {
    const [width, height] = study.tile;
    const column = state.slice % study.columns, row = Math.floor(state.slice / study.columns);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(frames[state.phase], column * width, row * height, width, height, 0, 0, canvas.width, canvas.height);
    if (part("contours").checked) drawOutlines();
  }

  function drawOutlines() {
    const [width, height] = study.tile;
    const toCanvas = new DOMMatrix().scale(canvas.width / (10 * width), canvas.height / (10 * height));
    pen.lineWidth = 1.75 * (window.devicePixelRatio || 1);
    pen.lineJoin = "round";
    const outlines = study.outlines[state.phase][state.slice];
    for (let structure = outlines.length - 1; structure >= 0; structure--) { // the cavity last, on top of its wall
      const path = new Path2D();
      path.addPath(new Path2D(outlines[structure]), toCanvas);
      pen.strokeStyle = study.colours[structure];
      pen.stroke(path);
    }
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

  const keys = {
    ArrowLeft: () => show(state.phase - 1, state.slice),
    ArrowRight: () => show(state.phase + 1, state.slice),
    ArrowUp: () => show(state.phase, state.slice + 1),
    ArrowDown: () => show(state.phase, state.slice - 1),
    " ": () => play(!state.timer),
    c: () => { part("contours").checked = !part("contours").checked; draw(); },
  };

  player.addEventListener("keydown", (event) => {
    const own = event.target.matches("select") // a control's own keys come first
      || (event.target.matches("input[type=range]") && event.key.startsWith("Arrow"))
      || (event.target.matches("button, input[type=checkbox]") && event.key === " ");
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (own || !act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-phase], [data-slice]");
    if (!target || player.contains(target)) return;
    event.preventDefault();
    play(false);
    show(Number(target.dataset.phase ?? state.phase), Number(target.dataset.slice ?? state.slice));
    stage.focus({ preventScroll: true });
    player.scrollIntoView({ block: "nearest" });
  });

  part("phase").addEventListener("input", () => { show(Number(part("phase").value), state.slice); play(false); });
  part("slice").addEventListener("input", () => show(state.phase, Number(part("slice").value)));
  part("contours").addEventListener("change", draw);
  part("play").addEventListener("click", () => play(!state.timer));
  part("speed").addEventListener("change", () => play(Boolean(state.timer)));

  function fit() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(stage.clientWidth * ratio);
    canvas.height = Math.round(stage.clientHeight * ratio);
    draw();
  }

  Promise.all(frames.map((frame) => frame.decode())).then(() => {
    show(state.phase, state.slice);
    new ResizeObserver(fit).observe(stage);
    fit();
    player.dataset.ready = "true";
  });
})();
