// Draws the charts, and makes the tables filterable and exportable. Without it every figure is still there, in the tables.
(() => {
  "use strict";

  const KINDS = { stack, range, bars, columns, lines, heat, interval };
  const LETTER = 6.4; // the width of a letter at 11 pixels, roughly
  const GAP = 8;

  const charts = new Map(JSON.parse(document.getElementById("charts").textContent).map((chart) => [chart.id, chart]));

  // Charts -----------------------------------------------------------------------------------------------------------------

  function draw(place) {
    const chart = charts.get(place.dataset.chart);
    const width = Math.floor(place.clientWidth);
    if (!chart || width < 50 || place.dataset.width === String(width)) return;
    place.dataset.width = width;
    place.replaceChildren(...KINDS[chart.kind](chart, Math.max(width, 280)));
  }

  // What all charts share. `row` and `series` are places in lists of names: axes show the names.
  function plot(chart, width, options) {
    return Plot.plot({ className: "drawn", width, style: { fontSize: "11px" }, ...options });
  }

  function rowScale(chart, extra) {
    return { type: "band", domain: places(chart.rows), tickFormat: (place) => chart.rows[place], tickSize: 0, label: null, padding: 0.25, ...extra };
  }

  function numberScale(chart, extra) {
    const ticks = chart.percent ? { tickFormat: (number) => `${+(number * 100).toFixed(6)}%` } : { tickFormat: (number) => (Math.abs(number) < 1 ? String(+number.toFixed(6)) : d3.format("~s")(number)) };
    return { label: chart.unit, grid: true, nice: true, ...ticks, ...extra };
  }

  const places = (names) => names.map((_, place) => place);
  const widest = (names) => Math.max(0, ...names.map((name) => name.length)) * LETTER;
  const leftOf = (chart, width) => Math.min(widest(chart.rows) + GAP * 2, width * 0.42);
  const colour = (series) => `var(--c${Math.min(series, 8)})`;

  function legend(chart, mark) {
    const list = document.createElement("ul");
    list.className = "legend";
    chart.series.forEach((name, place) => {
      const item = document.createElement("li");
      const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      picture.setAttribute("viewBox", "0 0 14 14");
      picture.append(mark(place));
      const words = document.createElement("bdi");
      words.textContent = name;
      item.append(picture, words);
      list.append(item);
    });
    return list;
  }

  function shape(name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  }

  function stack(chart, width) {
    const left = leftOf(chart, width);
    const inner = width - left - 16;
    const ends = new Map();
    const parts = chart.marks.map((mark) => {
      const start = ends.get(mark.row) ?? 0;
      ends.set(mark.row, start + mark.number);
      return { ...mark, start, end: start + mark.number };
    });
    const words = (part) => {
      const room = (part.end - part.start) * inner - GAP;
      const both = `${chart.series[part.series]} ${part.label}`;
      return [both, part.label].find((text) => text.length * LETTER <= room) ?? "";
    };
    const svg = plot(chart, width, {
      marginLeft: left, marginRight: 16, marginTop: 8, marginBottom: 40, height: chart.rows.length * 30 + 48,
      y: rowScale(chart), x: numberScale(chart, { grid: false, nice: false }),
      marks: [
        Plot.barX(parts, { x1: "start", x2: "end", y: "row", fill: (part) => colour(part.series), insetRight: 1, title: "title" }),
        Plot.text(parts, { x: (part) => (part.start + part.end) / 2, y: "row", text: words, fill: "var(--on-colour)", pointerEvents: "none" }),
      ],
    });
    return [legend(chart, (series) => shape("rect", { width: 14, height: 14, rx: 2, fill: colour(series) })), svg];
  }

  function range(chart, width) {
    const left = leftOf(chart, width);
    const few = chart.series.length <= 2;
    const rows = places(chart.rows).map((row) => {
      const marks = chart.marks.filter((mark) => mark.row === row).sort((one, other) => one.number - other.number);
      return { row, least: marks[0], most: marks.at(-1) };
    }).filter(({ least }) => least);
    const end = (mark) => (width < 640 ? mark.label : `${mark.label} ${chart.series[mark.series]}`);
    const named = (mark) => (width < 640 ? mark.label : `${chart.series[mark.series]} ${mark.label}`);
    const words = ({ row, least, most }) => {
      if (few) return chart.marks.filter((mark) => mark.row === row).map(named).join(" · ");
      return least.number === most.number ? `${least.label} under each` : `${end(least)} – ${end(most)}`;
    };
    const right = widest(rows.map(words)) + GAP * 3;
    const symbol = (mark) => (few && mark.series === 1 ? "diamond" : "circle");
    const svg = plot(chart, width, {
      marginLeft: left, marginRight: Math.min(right, width * 0.45), marginTop: 8, marginBottom: 40, height: chart.rows.length * 30 + 48,
      y: rowScale(chart), x: numberScale(chart, { zero: true }), symbol: { type: "identity" },
      marks: [
        Plot.ruleY(rows, { x1: ({ least }) => least.number, x2: ({ most }) => most.number, y: "row", stroke: "var(--accent)", strokeWidth: 2, strokeOpacity: 0.45 }),
        Plot.dot(chart.marks, {
          x: "number", y: "row", r: 4.5, symbol: few ? symbol : "circle", title: "title", stroke: "var(--accent)", strokeWidth: 1.5,
          fill: (mark) => (few && mark.series === 0 ? "var(--paper)" : "var(--accent)"), fillOpacity: few ? 1 : 0.35,
        }),
        Plot.text(rows, { x: ({ most }) => most.number, y: "row", text: words, textAnchor: "start", dx: GAP + 2 }),
      ],
    });
    const pictures = [
      () => shape("circle", { cx: 7, cy: 7, r: 5, fill: "var(--paper)", stroke: "var(--accent)", "stroke-width": 1.5 }),
      () => shape("path", { d: "M7 1 L12 7 L7 13 L2 7 Z", fill: "var(--accent)" }),
    ];
    return few ? [legend(chart, (series) => pictures[series]()), svg] : [svg];
  }

  function bars(chart, width) {
    const right = widest(chart.marks.map((mark) => mark.label)) + GAP * 3;
    return [plot(chart, width, {
      marginLeft: leftOf(chart, width), marginRight: right, marginTop: 8, marginBottom: 40, height: chart.rows.length * 30 + 48,
      y: rowScale(chart), x: numberScale(chart),
      marks: [
        Plot.barX(chart.marks, { x: "number", y: "row", fill: "var(--accent)", fillOpacity: 0.75, title: "title" }),
        Plot.ruleX([0]),
        Plot.text(chart.marks, { x: (mark) => Math.max(0, mark.number), y: "row", text: "label", textAnchor: "start", dx: GAP }),
      ],
    })];
  }

  function columns(chart, width) {
    const tilted = widest(chart.rows) / 1.6 > (width - 60) / chart.rows.length;
    const labels = chart.rows.length * 38 < width - 60;
    return [plot(chart, width, {
      height: 260, marginLeft: 50, marginTop: 30, marginBottom: tilted ? 30 + widest(chart.rows) * 0.75 : 30,
      x: rowScale(chart, { tickRotate: tilted ? -40 : 0 }), y: numberScale(chart),
      marks: [
        Plot.barY(chart.marks, { x: "row", y: "number", fill: "var(--accent)", fillOpacity: 0.75, title: "title" }),
        Plot.ruleY([0]),
        labels ? Plot.text(chart.marks, { x: "row", y: "number", text: "label", dy: -8 }) : null,
      ],
    })];
  }

  function lines(chart, width) {
    const step = Math.ceil((chart.rows.length * 74) / width);
    const dashes = ["5 4", null];
    const svg = plot(chart, width, {
      height: 280, marginLeft: 55, marginTop: 30, marginRight: 30,
      x: { type: "point", domain: places(chart.rows), ticks: places(chart.rows).filter((place) => place % step === 0), tickFormat: (place) => chart.rows[place], label: null },
      y: numberScale(chart, { zero: true }),
      marks: [
        Plot.ruleY([0]),
        ...chart.series.map((_, series) => Plot.line(chart.marks.filter((mark) => mark.series === series), { x: "row", y: "number", stroke: "var(--accent)", strokeWidth: 2, strokeDasharray: dashes[series] })),
        Plot.dot(chart.marks, { x: "row", y: "number", r: 3.5, stroke: "var(--accent)", fill: (mark) => (mark.series === 0 ? "var(--paper)" : "var(--accent)"), title: "title" }),
      ],
    });
    return [legend(chart, (series) => shape("path", { d: "M0 7 H14", stroke: "var(--accent)", "stroke-width": 2, "stroke-dasharray": dashes[series] ?? "none" })), svg];
  }

  function heat(chart, width) {
    const left = leftOf(chart, width);
    const numbers = chart.marks.map((mark) => mark.number);
    const [least, most] = [Math.min(0, ...numbers), Math.max(...numbers)];
    // Never so dark that the number in the cell could not be read.
    const depth = (mark) => 0.06 + 0.5 * (most > least ? (mark.number - least) / (most - least) : 0);
    const room = (width - left - 10) / chart.series.length;
    const fits = (mark) => (mark.label.length * LETTER <= room - 2 ? mark.label : "");
    return [plot(chart, width, {
      marginLeft: left, marginRight: 10, marginTop: 36, height: chart.rows.length * 26 + 50,
      y: rowScale(chart, { padding: 0 }),
      x: { type: "band", axis: "top", domain: places(chart.series), tickFormat: (place) => chart.series[place], tickSize: 0, label: chart.unit, padding: 0 },
      marks: [
        Plot.cell(chart.marks, { x: "series", y: "row", fill: "var(--accent)", fillOpacity: depth, inset: 1, title: "title" }),
        Plot.text(chart.marks, { x: "series", y: "row", text: fits, pointerEvents: "none" }),
      ],
    })];
  }

  function interval(chart, width) {
    const right = widest(chart.marks.map((mark) => mark.label)) + GAP * 3;
    return [plot(chart, width, {
      marginLeft: leftOf(chart, width), marginRight: Math.min(right, width * 0.45), marginTop: 8, marginBottom: 40, height: chart.rows.length * 30 + 48,
      y: rowScale(chart), x: numberScale(chart, { zero: true }),
      marks: [
        Plot.ruleX([1], { stroke: "currentColor", strokeDasharray: "4 3" }),
        Plot.ruleY(chart.marks, { x1: (mark) => mark.between[0], x2: (mark) => mark.between[1], y: "row", stroke: "var(--accent)", strokeWidth: 2, strokeOpacity: 0.5 }),
        Plot.dot(chart.marks, { x: "number", y: "row", r: 4.5, fill: "var(--accent)", title: "title" }),
        Plot.text(chart.marks, { x: (mark) => Math.max(1, mark.between[1]), y: "row", text: "label", textAnchor: "start", dx: GAP }),
      ],
    })];
  }

  // Tables -----------------------------------------------------------------------------------------------------------------

  function filter(input) {
    const table = document.getElementById(input.dataset.filter);
    const status = document.querySelector(`[data-count="${input.dataset.filter}"]`);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      const rows = [...table.tBodies[0].rows];
      rows.forEach((row) => { row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted); });
      status.textContent = wanted === "" ? "" : `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
    });
  }

  const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;
  const FORMULA = /^[\s]*[=+\-@\t\r]/;

  // A cell as CSV: numbers exactly; a text that a spreadsheet would take for a formula begins with an apostrophe.
  function field(cell) {
    const exact = cell.dataset.sort ?? cell.textContent;
    const text = cell.classList.contains("number") && NUMBER.test(exact) ? exact : FORMULA.test(exact) ? `'${exact}` : exact;
    return `"${text.replaceAll('"', '""')}"`;
  }

  function heading(cell) {
    const words = [...cell.children].map((part) => part.textContent);
    const text = words.length > 1 ? `${words[0]} (${words.slice(1).join(", ")})` : words.join("");
    return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  }

  function csv(table) {
    const shown = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.hidden);
    const lines = [[...table.tHead.rows[0].cells].map(heading), ...shown.map((row) => [...row.cells].map(field))];
    return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
  }

  function save(button) {
    const table = document.getElementById(button.dataset.csv);
    // The mark at the beginning tells spreadsheets that it is UTF-8.
    const address = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `${table.id.replace(/^t-/, "")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  // The page ---------------------------------------------------------------------------------------------------------------

  function contents() {
    const links = new Map([...document.querySelectorAll("nav.contents a")].map((link) => [link.hash.slice(1), link]));
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      entries.forEach((entry) => (entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id)));
      const first = [...links.keys()].find((id) => seen.has(id));
      links.forEach((link, id) => (id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    }, { rootMargin: "-10% 0px -60% 0px" });
    links.forEach((_, id) => observer.observe(document.getElementById(id)));
  }

  function paper() {
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      closed.forEach((details) => { details.open = true; });
      document.querySelectorAll("[data-chart]").forEach(draw);
    });
    addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
  }

  document.querySelectorAll(".tools").forEach((tools) => { tools.hidden = false; });
  document.querySelectorAll("[data-filter]").forEach(filter);
  document.querySelectorAll("[data-csv]").forEach((button) => button.addEventListener("click", () => save(button)));
  const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach((entry) => draw(entry.target))));
  document.querySelectorAll("[data-chart]").forEach((place) => { draw(place); sizes.observe(place); });
  contents();
  paper();
})();
