// Unpack plotly.js; draw figures over their pictures when they come into view; keep them in step with theme and width.
(async () => {
  "use strict";
  const source = document.getElementById("plotly");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 600px)");
  const plots = [...document.querySelectorAll("figure > .plot")];
  const FONT = getComputedStyle(document.body).fontFamily;
  const pen = document.createElement("canvas").getContext("2d");
  window.__figuresDrawn = 0;

  // A grey that is made for white paper, as its counterpart on dark paper; other colours keep their meaning.
  const flip = (color, text) => {
    pen.fillStyle = "#010203";
    pen.fillStyle = color;
    const seen = pen.fillStyle;
    if (seen === "#010203") return color;
    const [r, g, b, a = 1] = seen[0] === "#"
      ? [1, 3, 5].map((i) => parseInt(seen.slice(i, i + 2), 16)) : seen.match(/[\d.]+/g).map(Number);
    const light = (Math.max(r, g, b) + Math.min(r, g, b)) / 510;
    if (Math.max(r, g, b) - Math.min(r, g, b) > 28 || (light >= 0.5 && (text || light < 0.8))) return color;
    const v = Math.round(light < 0.5 ? 235 - 150 * light : 22 + 300 * (1 - light));
    return `rgba(${v},${v},${v},${a})`;
  };
  const flipAll = (part, name) => {
    for (const [key, value] of Object.entries(part)) {
      const inside = key === "insidetextfont" ||
        (key === "textfont" && (part.textposition === "inside" || /map$/.test(part.type)));
      const filled = key === "color" && ["marker", "node", "link"].includes(name) &&
        !/^(#0{3}|#0{6}|black)$/i.test(value);
      if (typeof value === "string" && /color$/i.test(key) && !filled)
        part[key] = flip(value, /font$/.test(name));
      else if (value && typeof value === "object" && !inside && !value.bdata) flipAll(value, key);
    }
  };
  const wrap = (text, width, lines) => {
    const out = [""];
    for (const word of text.replace(/<br\s*\/?>/g, " ").split(" ")) {
      const last = out[out.length - 1];
      if (last && last.length + word.length >= width) out.push(word);
      else out[out.length - 1] = last ? `${last} ${word}` : word;
    }
    return out.slice(0, lines).join("<br>") + (out.length > lines ? "…" : "");
  };
  // Both ends of a long label, where texts often differ; an entity counts as one character.
  const shorten = (text, width) => {
    const parts = text.match(/&#?\w+;|[^]/gu) || [];
    const ahead = Math.floor(width * 2 / 3);
    return parts.length <= width ? text : [...parts.slice(0, ahead), "…", ...parts.slice(ahead + 1 - width)].join("");
  };
  // On a phone, labels beside the plot would take its place: break them, and give the margins back.
  const squeeze = ({ data, layout }, width) => {
    const legend = data.filter((trace) => trace.showlegend).map((trace) => trace.name.replace(/&#?\w+;/g, "x").length);
    const perLine = Math.max(1, Math.floor((width - 24) / (7.2 * Math.max(...legend) + 48)));
    const more = 20 * Math.max(0, Math.ceil(legend.length / perLine) - (legend.length > 2 ? 2 : 1));
    layout.height += more; // else the plot would shrink into its legend
    layout.margin.b += more;
    const alias = {};
    const columns = (layout.annotations || []).filter(({ name }) => name === "column");
    const room = Math.max(4, Math.floor((width - 24) / new Set(columns.map(({ x }) => x)).size / 6.3));
    for (const label of columns) {
      label.text = wrap(label.text, room, 3).split("<br>").map((line) => shorten(line, room)).join("<br>");
      label.font.size = 10;
    }
    for (const trace of data) {
      const labels = trace.orientation === "h" || trace.type === "heatmap" ? trace.y : null;
      for (const label of Array.isArray(labels) ? labels : [])
        if (typeof label === "string" && label.length > 14) alias[label] = wrap(label, 14, 3);
      if (trace.node?.label) trace.node.label = trace.node.label.map((label) => wrap(label, 24, 3));
    }
    layout.font.size ??= 11;
    layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 8), r: Math.min(layout.margin.r, 16) };
    for (const key of Object.keys(layout).filter((name) => /^yaxis/.test(name)))
      layout[key] = { ...layout[key], labelalias: { ...layout[key].labelalias, ...alias },
        ticktext: layout[key].ticktext?.map((text) => shorten(text, 38)) };
  };
  const figure = (plot, night, small) => {
    const it = JSON.parse(plot.nextElementSibling.textContent);
    const { data, layout } = it;
    const ink = night ? "#e8eaed" : "#1c1e21";
    if (night) flipAll(it, "");
    for (const trace of data) if (night && trace.meta?.dark) trace.colorscale = trace.meta.dark;
    layout.template ||= {};
    const base = (layout.template.layout ||= {});
    for (const axis of ["xaxis", "yaxis"]) {
      const line = night ? "#33373d" : "#e3e5e8";
      const colours = { gridcolor: line, zerolinecolor: line, tickfont: { color: ink } };
      base[axis] = { ...base[axis], ...colours, automargin: true };
    }
    layout.font = { ...layout.font, family: FONT, color: ink };
    layout.paper_bgcolor = layout.plot_bgcolor = night ? "rgba(0,0,0,0)" : "rgba(255,255,255,0)";
    for (const mark of [...(layout.shapes || []), ...data])
      if (mark.name === "limit" || mark.meta === "limit")
        mark.line = { ...mark.line, color: night ? "#fff" : "#000" };
    if (small) squeeze(it, plot.clientWidth);
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    return it;
  };
  const save = {
    name: "image", title: source.title, click: (plot) => {
      const { data, layout } = figure(plot, false, false);
      for (const { node, textfont } of data) // the page's style sheet, which clears the space around labels, is not in the image
        if (node) textfont.shadow = Array(6).fill("0 0 3px #fff").join();
      const [finding, subtitle] = [".finding", ".subtitle"].map((part) =>
        plot.parentElement.querySelector(part)?.textContent.replace(/&/g, "&amp;").replace(/</g, "&lt;") || "");
      const lines = wrap(finding, 90, 3);
      layout.title = { text: `<b>${lines}</b>`, subtitle: { text: wrap(subtitle, 130, 2) } };
      Object.assign(layout.title, { x: 0, xref: "paper", font: { size: 18 } });
      const room = 64 + 24 * lines.split("<br>").length;
      layout.margin = { ...layout.margin, t: (layout.margin.t || 0) + room };
      Object.assign(layout, { width: 1080, height: (layout.height || 440) + room, paper_bgcolor: "#fff" });
      Plotly.downloadImage({ data, layout }, { format: "png", scale: 2, filename: plot.parentElement.id });
    },
  };
  const draw = async (plot) => {
    const { data, layout } = figure(plot, dark.matches, narrow.matches);
    save.icon = Plotly.Icons.camera;
    const config = { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [[save]] };
    plot.hidden = false;
    await Plotly.react(plot, data, layout, config);
    plot.parentElement.classList.add("drawn");
    if (!plot.dataset.drawn) window.__figuresDrawn += 1;
    plot.dataset.drawn = "1";
  };
  const redraw = () => plots.filter((plot) => plot.dataset.drawn).forEach(draw);

  try {
    const packed = atob(source.textContent);
    const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
  } catch (error) {
    return; // an old browser: the pictures stay
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) { seen.unobserve(target); draw(target.querySelector(".plot")); }
  }, { rootMargin: "400px" });
  plots.forEach((plot) => seen.observe(plot.parentElement));
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
})();
