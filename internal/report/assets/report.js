// What the page does beyond its text: charts to zoom into, buttons that copy,
// links that open what they lead to. Without scripts nothing is missing.
(function () {
  "use strict";
  const root = document.documentElement;
  const colour = name => getComputedStyle(root).getPropertyValue(name).trim();

  function copied(text) {
    if (navigator.clipboard && navigator.clipboard.writeText) {
      return navigator.clipboard.writeText(text).catch(() => select(text));
    }
    return select(text);
  }
  function select(text) {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not allowed"));
  }
  for (const box of document.querySelectorAll(".paste")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", () => {
      const say = word => {
        button.textContent = word;
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      };
      copied(box.querySelector("pre").textContent).then(() => say("Copied"), () => say("Select it"));
    });
    box.append(button);
  }

  function reveal() {
    const at = document.getElementById(location.hash.slice(1));
    for (let e = at; e; e = e.parentElement) {
      if (e.tagName === "DETAILS") e.open = true;
    }
    if (at) at.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const d of closed) d.open = true;
  });
  addEventListener("afterprint", () => {
    for (const d of closed) d.open = false;
    closed = [];
  });

  const data = document.getElementById("data");
  if (!data || typeof uPlot === "undefined") return;
  const run = JSON.parse(data.textContent);

  // at is the height of a stack's area: straight between the windows in which
  // it was counted, nothing outside.
  function at(stack, s) {
    const t = stack.t, c = stack.c, n = t.length;
    if (!n || s < t[0] || s > t[n - 1]) return null;
    for (let i = 1; i < n; i++) {
      if (s <= t[i]) return c[i - 1] + (c[i] - c[i - 1]) * (s - t[i - 1]) / Math.max(t[i] - t[i - 1], 1e-9);
    }
    return c[n - 1];
  }

  function shade(u) {
    const { ctx, bbox } = u, ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.font = 11 * ratio + "px system-ui, sans-serif";
    for (const b of run.bands) {
      const from = u.valToPos(b.a, "x", true), to = u.valToPos(b.b, "x", true);
      ctx.fillStyle = colour("--" + b.k);
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
      if (b.r && to - from > 16 * ratio) {
        ctx.fillStyle = colour("--dim");
        ctx.fillText(String(b.r), (from + to) / 2, bbox.top + 2 * ratio);
      }
    }
    ctx.restore();
  }

  function draw(figure) {
    const chart = run.charts[figure.dataset.chart];
    const xs = [...new Set([...chart.s, ...chart.stacks.flatMap(k => k.t)])].sort((a, b) => a - b);
    const counted = new Map(chart.s.map((s, i) => [s, chart.n[i]]));
    const plain = chart.stacks.map(k => xs.map(s => at(k, s)));
    const sums = xs.map(() => 0);
    const stacked = plain.map(values => values.map((v, i) => v === null ? null : (sums[i] += v)));
    const whole = v => v === null || v === undefined ? "–" : String(Math.round(v));
    const series = [{ label: "second", value: (u, v) => v === null ? "–" : v.toFixed(1) }];
    const columns = [xs];
    // The largest sum first, so that each area is painted over by those it contains.
    for (let i = stacked.length - 1; i >= 0; i--) {
      const line = colour("--a" + i);
      series.push({ label: chart.stacks[i].name, stroke: line, fill: line + "99", width: 1, points: { show: false }, value: (u, v, s, x) => whole(x === null ? null : plain[i][x]) });
      columns.push(stacked[i]);
    }
    series.push({ label: "all goroutines", stroke: colour("--stroke"), width: 1.5, spanGaps: true, points: { show: false }, value: (u, v) => whole(v) });
    columns.push(xs.map(s => counted.has(s) ? counted.get(s) : undefined));
    const bands = [];
    for (let i = 1; i < stacked.length; i++) bands.push({ series: [i, i + 1] });
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
    const beside = (u, labels) => 18 + 7 * Math.max(2, ...(labels || []).map(l => String(l).length));
    const plot = new uPlot({
      width: figure.clientWidth, height: 230, series, bands,
      scales: { x: { time: false, range: (u, a, b) => [a, b] }, y: { range: (u, low, high) => [0, Math.max(4, high * 1.1)] } },
      axes: [{ ...axis, size: 28, values: (u, ticks) => ticks.map(t => t + " s") }, { ...axis, size: beside }],
      cursor: { drag: { x: true, y: false } },
      hooks: { drawClear: [shade] },
    }, columns, figure);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", "goroutines of " + chart.name + " over time, interactive");
    plot.setScale("x", { min: 0, max: run.seconds });
    figure.classList.add("live");
    return plot;
  }

  // Charts are drawn when they come into view, which folded ones do when opened.
  const plots = new Map();
  const look = new IntersectionObserver(entries => {
    for (const e of entries) {
      if (e.isIntersecting && !plots.has(e.target)) plots.set(e.target, draw(e.target));
    }
  }, { rootMargin: "200px" });
  const size = new ResizeObserver(entries => {
    for (const e of entries) {
      const plot = plots.get(e.target);
      if (plot && e.contentRect.width > 0 && Math.round(e.contentRect.width) !== plot.width) plot.setSize({ width: Math.round(e.contentRect.width), height: 230 });
    }
  });
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    look.observe(figure);
    size.observe(figure);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [figure, plot] of plots) {
      plot.destroy();
      plots.set(figure, draw(figure));
    }
  });
})();
