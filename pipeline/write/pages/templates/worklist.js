"use strict";
(() => {
  const table = document.getElementById("worklist");
  if (!table) return;
  const form = document.getElementById("filters"), heads = [...table.tHead.rows[0].cells];
  const bySeverity = heads.findIndex((head) => head.ariaSort);
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => `${row.cells[1].textContent} ${row.lastElementChild.textContent}`.toLowerCase());
  const compareText = new Intl.Collator("en", { numeric: true }).compare;
  const order = { column: bySeverity, down: false };

  function compare(a, b) {
    const numbers = [Number(a), Number(b)];
    return numbers.some(Number.isNaN) ? compareText(a, b) : numbers[0] - numbers[1];
  }

  function sort() {
    const values = new Map(rows.map((row) => [row, row.cells[order.column].dataset.value]));
    const sorted = [...rows].sort((a, b) => {
      const [one, other] = [values.get(a), values.get(b)];
      if (!one || !other) return Boolean(other) - Boolean(one); // what is not known stays at the end
      return (order.down ? -1 : 1) * compare(one, other);
    });
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[order.column].setAttribute("aria-sort", order.down ? "descending" : "ascending");
    table.tBodies[0].append(...sorted);
  }

  function filter() {
    const { search, verdict, review } = form.elements;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, n) => {
      row.hidden = Boolean(
        (verdict.value && row.dataset.verdict !== verdict.value)
        || (review.value && row.dataset.review !== review.value)
        || !words.every((word) => texts[n].includes(word)),
      );
      shown += !row.hidden;
    });
    document.getElementById("shown").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
    document.getElementById("nothing").hidden = shown > 0;
  }

  // Order and filters stand in the address, so that a report, which takes it along, knows what comes next.
  function address() {
    const state = new URLSearchParams();
    if (order.column !== bySeverity || order.down) state.set("sort", `${order.column}${order.down ? "-" : ""}`);
    for (const [name, value] of new FormData(form)) if (value) state.set(name, value);
    return state.toString();
  }

  function keep() {
    history.replaceState(null, "", `#${address()}`);
  }

  function restore(state) {
    for (const field of form.elements) if (state.has(field.name)) field.value = state.get(field.name);
    const sorted = /^(\d+)(-?)$/.exec(state.get("sort") ?? "");
    if (sorted && heads[sorted[1]]?.querySelector("button")) {
      Object.assign(order, { column: Number(sorted[1]), down: Boolean(sorted[2]) });
      sort();
    }
    filter();
  }

  // A report asks for the study after or before it: the address says which.
  function step(state) {
    const name = state.get("after") ?? state.get("before") ?? state.get("at");
    if (name === null) return;
    const listed = [...table.tBodies[0].rows];
    const here = listed.findIndex((row) => row.cells[1].dataset.value === name);
    if (here < 0) return;
    const ahead = state.has("after") ? listed.slice(here + 1) : state.has("before") ? listed.slice(0, here).reverse() : [];
    const link = ahead.find((row) => !row.hidden && row.querySelector("a"))?.querySelector("a");
    if (link) {
      link.hash = address();
      location.replace(link.href);
      return;
    }
    listed[here].classList.add("at");
    listed[here].scrollIntoView({ block: "center" });
    if (!state.has("at")) document.getElementById("shown").textContent = `${name} is the ${state.has("after") ? "last" : "first"} of those shown`;
  }

  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    Object.assign(order, { column, down: column === order.column && !order.down });
    sort();
    keep();
  }));
  for (const kind of ["input", "change"]) form.addEventListener(kind, () => { filter(); keep(); });
  form.addEventListener("reset", () => setTimeout(() => { filter(); keep(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["pointerdown", "click"]) {
    table.addEventListener(kind, (event) => {
      const link = event.target.closest("a");
      if (link) link.hash = address();
    });
  }
  form.hidden = false;
  const state = new URLSearchParams(location.hash.slice(1));
  restore(state);
  step(state);
})();
