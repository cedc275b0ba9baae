// One figure of the explorer, drawn by plotly.js as wide as its place; clicks go to Python. One widget brings plotly.js to all,
// as a script of its own: a module of that size can take longer to start than a widget may.
function initialize({ model }) {
  if (!model.get("script")) return;
  setTimeout(() => {
    if (globalThis.Plotly) return;
    const script = document.createElement("script");
    script.textContent = model.get("script");
    document.head.append(script);
  });
}
// Both ends of a label that is longer than its place, since texts often differ at the end; an entity counts as one character.
function shorten(text, width) {
  const parts = text.match(/&#?\w+;|[^]/gu) || [];
  const ahead = Math.floor((width * 2) / 3);
  return parts.length <= width ? text : [...parts.slice(0, ahead), "…", ...parts.slice(ahead + 1 - width)].join("");
}
// Room below for the lines that the legend takes at this width; without it the plot would shrink into the legend.
function legendRoom(data, layout) {
  const names = data.filter((trace) => trace.showlegend).map((trace) => trace.name.replace(/&#?\w+;/g, "x").length);
  const columns = Math.max(1, Math.floor((layout.width - 24) / (7.2 * Math.max(...names) + 48)));
  const more = 20 * Math.max(0, Math.ceil(names.length / columns) - (names.length > 2 ? 2 : 1));
  layout.height += more;
  layout.margin.b += more;
}
async function render({ model, el }) {
  if (model.get("script")) return undefined;
  while (!globalThis.Plotly) await new Promise((done) => setTimeout(done, 25));
  const Plotly = globalThis.Plotly;
  const place = document.createElement("div");
  el.append(place);
  const draw = async () => {
    const { data, layout, description } = JSON.parse(model.get("figure") || "{}");
    if (!data || !place.isConnected) return;
    const { color } = getComputedStyle(place); // readable in a dark theme too
    layout.font = { ...layout.font, color };
    if (layout.yaxis) layout.yaxis.tickfont = { ...layout.yaxis.tickfont, color }; // labels inside would contrast with white
    const night = color.match(/\d+/g)?.[1] > 127;
    for (const trace of data) if (night && trace.meta?.dark) trace.colorscale = trace.meta.dark;
    layout.width = el.clientWidth || undefined;
    const names = layout.yaxis?.ticktext;
    const columns = (layout.annotations || []).filter(({ name }) => name === "column");
    const room = Math.max(4, Math.floor((layout.width - 24) / new Set(columns.map(({ x }) => x)).size / 7));
    for (const label of layout.width ? columns : []) {
      const lines = label.text.split("<br>");
      const fit = lines.every((line) => shorten(line, room) === line);
      label.text = (fit ? lines : label.text.split(/<br>| /).slice(0, 3).map((word) => shorten(word, room))).join("<br>");
    }
    if (names && layout.width) layout.yaxis.ticktext = names.map((text) => shorten(text, Math.max(12, Math.floor(layout.width / 7.5))));
    if (layout.width) legendRoom(data, layout);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", description);
    await Plotly.react(place, data, layout, { displayModeBar: false });
    if (place.dataset.listens) return;
    place.dataset.listens = "yes";
    place.on("plotly_click", ({ points: [point] }) => model.send({ curve: point.curveNumber, point: point.pointNumber }));
  };
  model.on("change:figure", draw);
  const watch = new ResizeObserver(() => {
    if (place._fullLayout?.width !== el.clientWidth) draw();
  });
  watch.observe(el);
  return () => {
    model.off("change:figure", draw);
    watch.disconnect();
    Plotly.purge(place);
  };
}
export default { initialize, render };
