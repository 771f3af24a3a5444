for (const table of document.querySelectorAll("table.sortable"))
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const sign = head.ariaSort === "descending" ? 1 : -1;
    for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
    head.ariaSort = sign > 0 ? "ascending" : "descending";
    const key = (row) => row.cells[head.cellIndex].dataset.key ?? "";
    const compare = (a, b) => (a === "") - (b === "") || sign * (a - b || a.localeCompare(b));
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b))));
  });
