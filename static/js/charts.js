// The console's last hour as lines with their names at the end, drawn by uPlot in the colours of the theme.
const EVERY = 15_000;
const holder = document.querySelector("[data-charts]");
let data = null;

const colour = (name) => {
  const probe = Object.assign(document.createElement("i"), { hidden: true });
  document.body.append(probe);
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);

// Names beside the last points, kept apart where lines end close together.
const names = (series) => (plot) => {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  const placed = [];
  ctx.save();
  ctx.font = `500 ${12 * ratio}px system-ui`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const ends = series
    .map(({ label }, at) => ({ label, value: plot.data[at + 1].findLast((value) => value !== null) }))
    .filter(({ value }) => value !== undefined)
    .sort((one, other) => one.value - other.value);
  for (const { label, value } of ends) {
    const wanted = plot.valToPos(value, "y", true) - 10 * ratio;
    const y = Math.max(bbox.top + 7 * ratio, Math.min(wanted, ...placed.map((at) => at - 15 * ratio)));
    placed.push(y);
    ctx.lineWidth = 4 * ratio;
    ctx.strokeStyle = colour("--paper");
    ctx.strokeText(label, bbox.left + bbox.width, y);
    ctx.fillStyle = colour("--ink");
    ctx.fillText(label, bbox.left + bbox.width, y);
  }
  ctx.restore();
};

const marks = (changes) => (plot) => {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = colour("--warn");
  ctx.fillStyle = colour("--ink-3");
  ctx.font = `${12 * ratio}px system-ui`;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  ctx.textBaseline = "top";
  changes.forEach(([at, words], place) => {
    const x = plot.valToPos(at, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const isRight = x > bbox.left + bbox.width / 2;
    ctx.textAlign = isRight ? "right" : "left";
    ctx.fillText(words, x + (isRight ? -6 : 6) * ratio, bbox.top + place * 14 * ratio);
  });
  ctx.restore();
};

// A round step, so that at most four lines lie between zero and the top.
const stepFor = (most) => {
  const ten = 10 ** Math.floor(Math.log10(most / 4));
  return ten * [1, 2, 2.5, 5, 10].find((part) => (ten * part * 4) >= most);
};

const draw = (place, series, changes) => {
  const most = Math.max(1, ...series.flatMap(({ values }) => values.filter((value) => value !== null)));
  const step = stepFor(most * 1.05);
  const top = step * Math.ceil((most * 1.05) / step);
  const end = data.at.at(-1);
  place.replaceChildren();
  const options = {
    width: place.clientWidth,
    height: place.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    // The last time of the axis has its middle at the edge.
    padding: [12, 20, 0, 0],
    scales: { x: { time: false, range: [end - 3600, end] }, y: { range: [0, top] } },
    axes: [
      {
        stroke: colour("--ink-3"),
        grid: { show: false },
        ticks: { show: false },
        font: "12px system-ui",
        incrs: [300, 600, 900, 1200],
        space: 90,
        values: (_, moments) => moments.map(clock),
      },
      {
        stroke: colour("--ink-3"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { show: false },
        font: "12px system-ui",
        size: 40,
        splits: () => Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step),
      },
    ],
    series: [
      {},
      ...series.map(({ stroke, dash, label }) => ({ label, stroke: colour(stroke), dash, width: 1.75, points: { show: false }, spanGaps: true })),
    ],
    hooks: { draw: [marks(changes), names(series)] },
  };
  new uPlot(options, [data.at, ...series.map(({ values }) => values)], place);
};

const drawAll = () => {
  if (!data || data.at.length < 2) return;
  draw(
    document.querySelector('[data-chart="waits"]'),
    [
      { label: "Enterprise", values: data.waits.enterprise, stroke: "--c1" },
      { label: "Pro", values: data.waits.pro, stroke: "--c2" },
      { label: "Free", values: data.waits.free, stroke: "--c3", dash: [5, 3] },
    ],
    data.marks,
  );
  draw(
    document.querySelector('[data-chart="rates"]'),
    [
      { label: "Completions", values: data.ended, stroke: "--c2" },
      { label: "Arrivals", values: data.arrived, stroke: "--c3", dash: [5, 3] },
    ],
    [],
  );
};

const read = async () => {
  if (document.hidden && data) return;
  try {
    const answer = await fetch(holder.dataset.charts, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) return;
    data = await answer.json();
    drawAll();
  } catch {
    // The page says that it has no connection; what is drawn is of the last hour all the same.
  }
};

read();
setInterval(read, EVERY);
let soon = 0;
new ResizeObserver(() => {
  clearTimeout(soon);
  soon = setTimeout(drawAll, 150);
}).observe(holder);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
