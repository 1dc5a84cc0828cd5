// Draws the curves and the table of runs. Whatever an agent wrote enters the page as text nodes only.
"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }
  const unpackJson = async (packed) => JSON.parse(await unpack(packed));

  // h("td.n", {title: "…"}, child, …): an element; strings become text.
  function h(what, attributes = {}, ...children) {
    const [tag, ...classes] = what.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child != null && child !== ""));
    return element;
  }
  const words = (name) => name.replaceAll("_", " ");
  const number = (value, digits) => (value == null ? "–" : value.toFixed(digits));
  const count = (value) => (value >= 1e6 ? `${(value / 1e6).toFixed(1)}M` : value >= 1e3 ? `${(value / 1e3).toFixed(1)}k` : `${value}`);

  // Curves.
  const curves = await unpackJson(data.curves);
  const scenario = document.getElementById("curve-scenario");
  const condition = document.getElementById("curve-condition"); // null when there is but one
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let view = null;

  async function draw() {
    const style = getComputedStyle(document.documentElement);
    const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
    // One step more than the longest run, so that its last reward shows as a level.
    const held = (values, step) => values[Math.min(step, values.length - 1)];
    const points = (curves[condition?.value ?? ""][scenario.value] ?? []).flatMap((curve) =>
      [...curve.mean, 0].map((_, step) => ({
        name: curve.name, runs: curve.runs, step,
        mean: held(curve.mean, step), low: held(curve.low, step), high: held(curve.high, step),
      })));
    const specification = structuredClone(data.chart);
    specification.datasets = {curves: points};
    specification.config = {
      background: null, font: "system-ui, sans-serif", view: {stroke: null},
      axis: {labelFontSize: 12, titleFontSize: 12, labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 500},
      legend: {columns: Math.max(1, Math.floor(innerWidth / 320)), labelFontSize: 12, rowPadding: 5, labelColor: ink, symbolStrokeWidth: 3, symbolType: "stroke"},
    };
    view?.finalize();
    const theme = dark.matches ? "dark" : undefined;
    view = await window.vegaEmbed("#chart", specification, {actions: false, renderer: "svg", tooltip: {theme}});
  }

  async function startDrawing() {
    const chart = document.getElementById("chart");
    if (!Object.values(curves[""]).some((list) => list.length)) {
      chart.replaceChildren(h("p.hint", {}, "No run has a curve."));
      return;
    }
    try {
      new Function(await unpack(data.code))();
      await draw();
      scenario.addEventListener("change", draw);
      condition?.addEventListener("change", draw);
      dark.addEventListener("change", draw);
    } catch (error) {
      chart.replaceChildren(h("p.note", {}, `The chart cannot be drawn here: ${error.message}`));
    }
  }

  // The table of runs.
  const index = await unpackJson(data.index);
  const table = document.getElementById("run-table");
  const body = table.tBodies[0];
  const more = document.getElementById("more");
  const PAGE = 100;
  let shown = PAGE;
  let order = {field: "framework", down: false};

  const columns = [
    {field: "id", title: "run", cell: (run) => h("button.open", {type: "button", "aria-expanded": "false"}, run.id.slice(0, 8))},
    {field: "framework", title: "framework", cell: (run) => run.framework},
    {field: "scenario", title: "scenario", cell: (run) => run.scenario},
    {field: "seed", title: "seed", kind: "n.wide", cell: (run) => `${run.seed}`},
    {field: "outcome", title: "outcome", cell: (run) => [
      h(`span.badge.${run.outcome}`, {}, words(run.outcome)), run.category && h("small.wide", {}, ` ${words(run.category)}`)]},
    {field: "score", title: "score", kind: "n", cell: (run) => number(run.score, 3)},
    {field: "steps", title: "steps", kind: "n", cell: (run) => `${run.steps}`},
    {field: "calls", title: "model calls", kind: "n.wide", cell: (run) => `${run.calls}`},
    {field: "tokens", title: "tokens", kind: "n.wide", cell: (run) => count(run.tokens)},
    {field: "seconds", title: "seconds", kind: "n.wide", cell: (run) => number(run.seconds, 2)},
  ];
  if (new Set(index.map((run) => run.condition)).size > 1) {
    columns.splice(3, 0, {field: "condition", title: "condition", cell: (run) => run.condition});
  }
  const th = (column) => (column.kind ? `th.${column.kind}` : "th");
  const td = (column) => (column.kind ? `td.${column.kind}` : "td");

  const heads = columns.map((column) => {
    const head = h(th(column), {scope: "col", "aria-sort": "none"},
      h("button", {type: "button", onclick: () => sort(column.field)}, column.title));
    return head;
  });
  table.tHead.rows[0].append(...heads);

  function sort(field) {
    order = {field, down: order.field === field ? !order.down : false};
    fill();
  }

  const filters = [...document.querySelectorAll("#filters [data-field]")];
  for (const filter of filters) {
    if (filter.tagName === "SELECT") {
      const values = [...new Set(index.map((run) => run[filter.dataset.field]))].sort();
      filter.append(...values.map((value) => h("option", {value}, words(value))));
    }
    filter.addEventListener("input", () => { shown = PAGE; fill(); });
  }

  function passes(run) {
    return filters.every((filter) => {
      if (!filter.value) return true;
      if (filter.dataset.field !== "text") return run[filter.dataset.field] === filter.value;
      const wanted = filter.value.toLowerCase().split(/\s+/);
      const text = Object.values(run).map((value) => words(`${value}`)).join(" ").toLowerCase();
      return wanted.every((word) => text.includes(words(word)));
    });
  }

  function compare(one, other) {
    const [a, b] = [one[order.field], other[order.field]];
    const by = typeof a === "string" ? a.localeCompare(b) : (a ?? -1) - (b ?? -1);
    return (order.down ? -by : by) || one.scenario.localeCompare(other.scenario) || one.seed - other.seed;
  }

  function fill() {
    const found = index.filter(passes).sort(compare);
    body.replaceChildren(...found.slice(0, shown).map(row));
    more.hidden = found.length <= shown;
    document.getElementById("count").textContent = `${found.length} of ${index.length} runs`;
    heads.forEach((head, i) => head.setAttribute("aria-sort",
      columns[i].field !== order.field ? "none" : order.down ? "descending" : "ascending"));
  }
  more.addEventListener("click", () => { shown += PAGE; fill(); });

  function row(run) {
    const made = h("tr.run", {onclick: () => toggle(made, run)}, columns.map((column) => h(td(column), {}, column.cell(run))));
    made.dataset.id = run.id;
    return made;
  }

  async function toggle(made, run) {
    const button = made.querySelector(".open");
    if (button.getAttribute("aria-expanded") === "true") {
      button.setAttribute("aria-expanded", "false");
      made.nextElementSibling?.remove();
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const record = await unpackJson(data.runs[run.id]);
    const results = await Promise.all((record.steps ?? []).map((step) =>
      typeof step.content === "number" ? unpack(data.texts[step.content]) : step.content));
    if (button.getAttribute("aria-expanded") === "true" && made.isConnected) {
      made.after(h("tr.trajectory", {}, h("td", {colspan: columns.length}, trajectory(record, run, results))));
    }
  }

  // One trajectory.
  const pretty = (text) => {
    try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
  };
  const block = (title, text) => (text ? [h("h3", {}, title), h("pre", {}, text)] : []);
  const signed = (value, digits) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(digits)}`;
  const change = (value, digits) => h(value < 0 ? "span.loss" : "span.gain", {}, signed(value, digits));

  function trajectory(record, run, results) {
    let total = 0;
    const steps = (record.steps ?? []).map((step, i) => {
      total += step.reward;
      return stepItem(step, results[i], total, i === record.category_step);
    });
    const facts = [run.framework, `${run.scenario} v${record.key.scenario_version}`, `seed ${run.seed}`, run.condition, record.key.model, `attempt ${record.attempt ?? 1}`];
    return [
      h("p.plain", {}, h(`span.badge.${run.outcome}`, {}, words(run.outcome)),
        run.category && ` · ${words(run.category)}`,
        record.category_step != null && `, step ${record.category_step + 1}`,
        run.detail && ` · ${run.detail}`),
      h("p.plain", {}, h("small", {}, `${run.id} · ${facts.join(" · ")}`)),
      record.score ? parts(record.score) : null,
      h("details", {}, h("summary", {}, "task"), h("pre", {}, record.task ?? "")),
      findings("what the condition found", (record.findings ?? []).filter((one) => one.step == null)),
      h("h3", {}, "steps"), h("ol.steps", {}, steps.length ? steps : h("li.plain", {}, "None.")),
      block("framework raised", record.worker?.error), block("framework's closing text", record.worker?.closing_text),
      calls(record.model_calls ?? []),
      raw("events", record.events), raw("usage", record.usage), raw("versions", record.worker?.versions), raw("manifest", record.manifest),
    ].flat().filter(Boolean);
  }

  function parts(score) {
    return h("div.parts", {}, Object.entries(score.parts).flatMap(([name, value]) => [
      h("span", {}, name),
      h("span.track", {}, h("i", {style: `width: ${100 * value}%`})),
      h("span", {}, `${(value * score.weights[name]).toFixed(3)} of ${score.weights[name].toFixed(3)}`),
    ]));
  }

  function findings(title, list) {
    if (!list.length) return null;
    return [title && h("h3", {}, title), h("ul.findings", {}, list.map((one) =>
      h(`li.${one.kind}`, {}, h("b", {}, words(one.kind)), one.detail && `: ${one.detail}`)))];
  }

  function stepItem(step, result, total, shows) {
    const brief = Object.values(step.arguments).map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" · ");
    const summary = h("summary", {}, h("span", {}, `${step.index + 1}`), h("code", {}, step.name),
      step.agent !== "main" ? h("small", {}, step.agent) : null,
      step.is_error ? h("span.loss", {}, "error") : null,
      (step.findings ?? []).map((one) => h(`span.finding.${one.kind}`, {}, words(one.kind))), shows ? h("span.loss", {}, "◀ shows why") : null,
      h("span.brief", {}, brief.slice(0, 200)),
      step.reward ? change(step.reward, 3) : null, h("span.total", {title: "cumulative reward"}, `Σ ${total.toFixed(3)}`));
    const moved = Object.entries(step.checkpoints ?? {});
    const argumentText = Object.entries(step.arguments).map(([name, value]) => `${name}: ${typeof value === "string" ? pretty(value) : JSON.stringify(value, null, 1)}`).join("\n");
    return h("li", {}, step.said ? h("p.said", {}, step.said) : null,
      h("details", {}, summary, h("div.inside", {},
        findings(null, step.findings ?? []),
        moved.length ? h("p.plain", {}, moved.flatMap(([name, value]) => [change(value, 2), ` ${name}  `])) : null,
        argumentText ? h("pre", {}, argumentText) : null,
        rows(result) ?? h(step.is_error ? "pre.bad" : "pre", {}, pretty(result)),
        h("small", {}, `at ${step.started_s.toFixed(2)} s, took ${step.duration_s.toFixed(3)} s`),
        Object.keys(step.facts ?? {}).length ? block("what executing the artifact showed", JSON.stringify(step.facts, null, 1)) : null)));
  }

  // A query's response as a table; null if the result is none.
  function rows(result) {
    try {
      const {Columns: columns, Rows: values} = JSON.parse(result).Tables[0];
      const cell = (value) => (value == null ? "" : typeof value === "object" ? JSON.stringify(value) : `${value}`);
      return [h("div.rows", {}, h("table", {},
        h("thead", {}, h("tr", {}, columns.map((column) => h("th", {scope: "col"}, `${column.ColumnName}`)))),
        h("tbody", {}, values.map((each) => h("tr", {}, each.map((value) => h("td", {}, cell(value)))))))),
      h("small", {}, `${values.length} rows · `)];
    } catch {
      return null;
    }
  }

  function calls(list) {
    if (!list.length) return null;
    const titles = ["#", "agent", "status", "at s", "latency s", "tokens in", "out", "asked for", "error"];
    const rows = list.map((call) => [call.index + 1, call.agent, call.status, call.started_s.toFixed(2), call.latency_s.toFixed(3),
      `${call.estimated ? "≈" : ""}${call.input_tokens}`, call.output_tokens, (call.tool_calls ?? []).join(", ") || call.finish_reason || "", call.error ?? ""]);
    return h("details", {}, h("summary", {}, `${list.length} model calls`), h("div.scroll", {}, h("table", {},
      h("thead", {}, h("tr", {}, titles.map((title) => h("th", {scope: "col"}, title)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, `${cell}`))))))));
  }

  function raw(title, value) {
    const empty = !value || !Object.keys(value).length;
    return empty ? null : h("details", {}, h("summary", {}, title), h("pre", {}, JSON.stringify(value, null, 1)));
  }

  // A link to #run=ID opens that run.
  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("run");
    const run = wanted && index.find((each) => each.id.startsWith(wanted));
    if (!run) return;
    shown = index.length;
    fill();
    const made = body.querySelector(`tr[data-id="${CSS.escape(run.id)}"]`);
    made?.scrollIntoView();
    if (made) toggle(made, run);
  }

  fill();
  follow();
  addEventListener("hashchange", follow);
  await startDrawing();
  document.documentElement.dataset.ready = "true";
})();
