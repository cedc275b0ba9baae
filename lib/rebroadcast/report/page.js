// Tables that sort by a click; links that open the section that they lead to. A page reads the same without either.
(() => {
  "use strict";
  const number = (text) => parseFloat((text.match(/[-−]?\d[\d,.]*/) || [""])[0].replace("−", "-").replace(/,/g, ""));
  const value = (cell) => Date.parse(cell.querySelector("time")?.dateTime) || number(cell.textContent);
  const NEXT = { none: "descending", descending: "ascending", ascending: "none" };
  // A table may go on behind a click: its rows are sorted as one, and each part keeps as many.
  const sortable = (parts) => {
    const sizes = parts.map((table) => table.tBodies[0].rows.length);
    const rows = parts.flatMap((table) => [...table.tBodies[0].rows]);
    const heads = [...parts[0].tHead.rows[0].cells];
    const sort = (column, order) => {
      const sign = { none: 0, descending: -1, ascending: 1 }[order];
      const keyed = rows.map((row) => [value(row.cells[column]), row]);
      const sorted = sign ? keyed.sort(([a], [b]) => isNaN(a) - isNaN(b) || sign * (a - b)) : keyed;
      let at = 0;
      parts.forEach((table, n) => table.tBodies[0].append(...sorted.slice(at, (at += sizes[n])).map(([, row]) => row)));
      heads.forEach((head, n) => head.setAttribute("aria-sort", n === column ? order : "none"));
    };
    heads.forEach((head, column) => {
      const cells = rows.map((row) => row.cells[column]);
      const ordered = cells.every((cell) => cell?.classList.contains("num")) || cells.some((cell) => cell?.querySelector("time"));
      if (!ordered || rows.length < 3) return;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "sort" });
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(column, NEXT[head.ariaSort || "none"]));
      head.append(button);
    });
  };
  for (const block of document.querySelectorAll("figure, .output")) {
    const alike = new Map();
    for (const table of block.querySelectorAll("table:has(> thead):has(> tbody)")) {
      const name = table.tHead.textContent;
      alike.set(name, [...(alike.get(name) || []), table]);
    }
    alike.forEach(sortable);
  }
  const open = () => {
    const section = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details");
    if (section) section.open = true;
  };
  addEventListener("hashchange", open);
  document.querySelector("nav")?.addEventListener("click", () => setTimeout(open)); // also to where the page is already
  open();
})();
