"use strict";
(() => {
  const table = document.getElementById("worklist");
  if (!table) return;
  const heads = [...table.tHead.rows[0].cells];
  const compareText = new Intl.Collator("en", { numeric: true }).compare;

  function compare(a, b) {
    const numbers = [Number(a), Number(b)];
    return numbers.some(Number.isNaN) ? compareText(a, b) : numbers[0] - numbers[1];
  }

  function sortBy(column) {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    const value = (row) => row.cells[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      if (!value(a) || !value(b)) return Boolean(value(b)) - Boolean(value(a)); // what is not known stays at the end
      return (down ? -1 : 1) * compare(value(a), value(b));
    });
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }

  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sortBy(column)));
})();
