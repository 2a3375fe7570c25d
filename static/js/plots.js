// Bars by day, drawn by uPlot in the colours of the theme.
// A token's name, or any colour that is mixed of tokens.
const colour = (name) => {
  const probe = Object.assign(document.createElement("i"), { hidden: true });
  document.body.append(probe);
  probe.style.color = name.startsWith("--") ? `var(${name})` : name;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

// Lines aslant, for what was held and given back.
const hatch = () => {
  const tile = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour("--ink-3");
  pen.lineWidth = 1.2;
  for (const at of [-4, 0, 4, 8]) {
    pen.moveTo(at - 1, 9);
    pen.lineTo(at + 9, -1);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
};

const whole = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : "");

const axes = (days) => [
  {
    stroke: colour("--ink-3"),
    grid: { show: false },
    ticks: { show: false },
    font: "12px system-ui",
    space: 60,
    values: (_, places) => places.map((place) => days[place] ?? ""),
    incrs: [1, 2, 3, 5, 7, 10],
  },
  {
    stroke: colour("--ink-3"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui",
    size: 48,
    space: 44,
    values: (_, places) => places.map(whole),
  },
];

// series: [{values, fill}], the first in front; today's bar is in the lamp's colour.
const draw = (holder, days, series) => {
  const places = days.map((_, at) => at);
  const bars = uPlot.paths.bars({
    size: [0.74, 26],
    disp: {
      fill: {
        unit: 3,
        values: (plot, at) => places.map((place) => (at === 1 && series.length > 1 ? series[0].fill : place === days.length - 1 ? colour("--c2") : colour("--c3"))),
      },
    },
  });
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const options = {
    width: holder.clientWidth,
    height: holder.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 16, 0, 0],
    scales: { x: { time: false, range: [-0.6, days.length - 0.4] }, y: { range: [0, most * 1.08] } },
    axes: axes(days),
    series: [{}, ...series.map(() => ({ paths: bars, points: { show: false }, width: 0 }))],
  };
  return new uPlot(options, [places, ...series.map(({ values }) => values)], holder);
};

// A word at the last point of a line, beside it instead of a legend.
const named = (names) => (plot) => {
  const pen = plot.ctx;
  pen.save();
  pen.font = `500 ${12 * devicePixelRatio}px system-ui`;
  pen.textAlign = "right";
  pen.lineWidth = 4 * devicePixelRatio;
  pen.lineJoin = "round";
  pen.strokeStyle = colour("--paper");
  pen.fillStyle = colour("--ink");
  names.forEach((name, at) => {
    const values = plot.data[at + 1];
    const last = values.findLastIndex((value) => value !== null);
    if (last < 0) return;
    const x = plot.valToPos(last, "x", true);
    const y = plot.valToPos(values[last], "y", true) + (at ? -10 : 18) * devicePixelRatio;
    pen.strokeText(name, x, y);
    pen.fillText(name, x, y);
  });
  pen.restore();
};

// waits: of each day the median and the slowest tenth, or nothing. What lies between is shaded.
const drawWaits = (holder, days, waits) => {
  const [median, slow] = [0, 1].map((at) => waits.map((day) => day?.[at] ?? null));
  const most = Math.max(1, ...slow.filter((value) => value !== null));
  const line = { stroke: colour("--c2"), width: 1.75, points: { show: true, size: 4, fill: colour("--c2") } };
  const shade = colour("color-mix(in oklab, var(--c2) 18%, transparent)");
  const options = {
    width: holder.clientWidth,
    height: holder.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 16, 0, 0],
    scales: { x: { time: false, range: [-0.6, days.length - 0.4] }, y: { range: [0, most * 1.15] } },
    axes: axes(days),
    series: [{}, line, { ...line, stroke: shade, points: { ...line.points, stroke: shade, fill: shade } }],
    bands: [{ series: [2, 1], fill: shade }],
    hooks: { draw: [named(["median", "slowest tenth"])] },
  };
  return new uPlot(options, [days.map((_, at) => at), median, slow], holder);
};

const drawAll = () => {
  const data = JSON.parse(document.getElementById("plots").textContent);
  for (const holder of document.querySelectorAll("[data-plot]")) {
    holder.replaceChildren();
    const { plot } = holder.dataset;
    if (plot === "waits") {
      drawWaits(holder, data.days, data.waits);
    } else if (plot === "credits") {
      const both = data.charged.map((charged, at) => charged + data.given_back[at]);
      draw(holder, data.days, [{ values: both, fill: hatch() }, { values: data.charged }]);
    } else {
      draw(holder, data.days, [{ values: data[plot] }]);
    }
  }
};

drawAll();
let soon = 0;
const again = () => {
  clearTimeout(soon);
  soon = setTimeout(drawAll, 150);
};
new ResizeObserver(again).observe(document.querySelector("[data-plot]"));
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
