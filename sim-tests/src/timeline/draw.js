// The drawing: one SVG, made anew for each view, of what is in view and no finer than pixels.
const STRENGTH = { MASTER: 4, DOWN: 3, PAUSED: 2, BACKUP: 1, INITIALIZE: 0 };
// Height tells states apart too: a MASTER is the tallest.
const HEIGHT = { MASTER: 26, DOWN: 18, PAUSED: 18, BACKUP: 16, INITIALIZE: 14 };
const FONT = "11px system-ui, sans-serif", BOLD = "bold " + FONT;
const FAULT_ROWS = 4, FAULT_ROW = 19, LANE_GAP = 32;

const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();
function textWidth(text, font = FONT) {
  const id = font + text;
  if (widths.size > 5000) widths.clear();
  if (!widths.has(id)) {
    pen.font = font;
    widths.set(id, pen.measureText(text).width);
  }
  return widths.get(id);
}

// As much of a text as fits, or nothing.
function fitting(text, room, font = FONT) {
  if (textWidth(text, font) <= room) return text;
  const share = Math.floor(text.length * room / textWidth(text, font)) - 2;
  return share > 4 ? text.slice(0, share).trimEnd() + "…" : "";
}

// Where everything stands, from top to bottom.
function layout(width) {
  const wide = width >= 720;
  const left = wide ? 132 : 0;
  const head = wide ? 0 : 18;
  let y = run.violation ? 26 : 0;
  const place = { width, wide, left, right: width, violation: 0, axis: y };
  y += 24;
  place.faults = y;
  y += Math.min(FAULT_ROWS, run.faults.length) * FAULT_ROW + 4;
  const row = vips.length > 4 ? 7 : 14;
  place.row = row;
  place.lanes = run.nodes.map(() => {
    const top = y + 10;
    const state = top + head;
    const hold = state + HEIGHT.MASTER + 2;
    const bottom = Math.max(hold + row * vips.length, state + 44);
    y = bottom + LANE_GAP - 10;
    return { top, state, hold, bottom };
  });
  const seen = vips.filter((vip) => run.client.some((span) => span.vip === vip));
  place.client = y + 6;
  place.clientRow = new Map(seen.map((vip, index) => [vip, place.client + head + index * 20]));
  place.lanesEnd = y;
  place.height = seen.length ? place.client + head + seen.length * 20 + 6 : y + 4;
  return place;
}

// What of `spans` is in view, in pixels. Those within one pixel become one, shown as the strongest.
function inView(frame, spans, strength = () => 0) {
  const out = [];
  for (const span of spans) {
    if (span.from_ns > frame.to) break;
    if (span.to_ns < frame.from) continue;
    const x0 = Math.max(frame.x(span.from_ns), frame.left - 20);
    const x1 = Math.min(frame.x(span.to_ns), frame.right + 20);
    const last = out.at(-1);
    const thin = x1 - x0 < 1;
    if (thin && last?.thin && x0 - last.x0 < 1) {
      last.x1 = Math.max(last.x1, x1);
      if (strength(span) > strength(last.span)) last.span = span;
    } else {
      out.push({ x0, x1, span, thin });
    }
  }
  return out;
}

const rect = (name, x0, x1, y, height, more = "") =>
  `<rect class="${name}" x="${x0.toFixed(1)}" width="${Math.max(x1 - x0, 1.5).toFixed(1)}" y="${y}" height="${height}" ${more}/>`;
const label = (name, x, y, text, more = "") => text
  && `<text class="${name}" x="${x.toFixed(1)}" y="${y}" ${more}>${escaped(text)}</text>`;

// A text at the visible start of a band, the longest of `texts` that fits.
function bandText(frame, band, y, texts, name, font = FONT) {
  const x = Math.max(band.x0, frame.left) + 5;
  const room = Math.min(band.x1, frame.right) - x - 4;
  const text = texts.find((text) => textWidth(text, font) <= room) ?? "";
  return label(name, x, y, text);
}

function drawAxis(frame, place) {
  const axis = ticks(Math.max(frame.from, 0), Math.min(frame.to, END), (frame.to - frame.from) / (frame.right - frame.left) * 84);
  const y = place.axis;
  return axis.ticks.map(({ at, text }) => {
    const x = frame.x(at);
    const half = textWidth(text) / 2;
    const shown = x - half >= frame.left - 2 && x + half <= frame.right;
    return `<path class="grid" d="M${x.toFixed(1)},${y + 18}V${place.height}"/>`
      + (shown ? label("tick", x, y + 13, text, "text-anchor=\"middle\"") : "");
  }).join("") + (axis.base && place.wide ? label("tick base", 0, y + 13, `${instant(axis.base)} +`) : "");
}

// Faults have rows of their own, for their words; the lanes they concern are shaded.
function drawFaults(frame, place) {
  const rows = Math.min(FAULT_ROWS, run.faults.length);
  const free = Array(rows).fill(-Infinity);
  const shown = run.faults.map((fault, index) => ({ fault, index }))
    .filter(({ fault }) => fault.to_ns >= frame.from && fault.from_ns <= frame.to)
    .map(({ fault, index }) => ({ fault, index, x0: frame.x(fault.from_ns), x1: frame.x(fault.to_ns) }));
  let lanes = "", words = "", last = -Infinity;
  shown.forEach(({ fault, index, x0, x1 }, order) => {
    const key = `data-k="f${index}"`;
    const point = fault.to_ns === fault.from_ns;
    const start = Math.max(x0, frame.left), end = Math.min(x1, frame.right);
    // Two within a pixel would look like one anyway.
    if (shown.length < 500 || x0 - last >= 1) {
      last = x0;
      for (const node of concerned(fault)) {
        const lane = place.lanes[node];
        if (!lane) continue;
        const [top, height] = [lane.top - 5, lane.bottom - lane.top + 10];
        lanes += point
          ? `<path class="strike" ${key} d="M${x0 + 2},${top - 5}l-5,9h5l-3,8"/>`
          : rect("fault-lane", start, end, top, height, key)
            + `<path class="bracket" d="M${x0 + 4},${top}H${x0}v${height}h4M${x1 - 4},${top}H${x1}v${height}h-4"/>`;
      }
    }
    let row = free.findIndex((x) => x <= start);
    if (row < 0) row = order % rows;
    const y = place.faults + row * FAULT_ROW;
    const room = (free[row] <= start ? frame.right : free[row]) - start - 16;
    const text = free[row] <= start ? fitting(fault.text, room) : "";
    free[row] = Math.max(free[row], end + 4, start + (text ? textWidth(text) + 18 : 6));
    words += point
      ? `<g ${key}><path class="strike" d="M${x0 + 2},${y + 2}l-5,8h5l-3,7"/>${label("fault-text", x0 + 7, y + 13, text)}</g>`
      : `<g ${key}>${rect("fault", start, end, y + 1, 16)}<path class="bracket" d="M${x0},${y + 1}v16M${x1},${y + 1}v16"/>${label("fault-text", start + 6, y + 13, text)}</g>`;
  });
  return { lanes, words };
}

function drawLane(frame, place, node) {
  const lane = place.lanes[node];
  const middle = lane.state + HEIGHT.MASTER / 2;
  let out = "", marks = "";
  for (const band of inView(frame, statesOf[node], (span) => STRENGTH[span.state])) {
    const { span } = band;
    const height = HEIGHT[span.state];
    out += rect(`state k-${span.state}`, band.x0, band.x1, middle - height / 2, height, `data-k="s${span.index}"`);
    const font = span.state === "MASTER" ? BOLD : FONT;
    const texts = [span.reason ? `${span.state} · ${span.reason}` : span.state, span.state, span.state.slice(0, 1)];
    out += bandText(frame, band, middle + 4, texts, `on-${span.state}`, font);
    if (span.state === "DOWN" && span.from_ns > 0 && !band.thin && band.x0 >= frame.left) {
      marks += `<g class="crash" data-k="s${span.index}"><circle cx="${band.x0.toFixed(1)}" cy="${middle}" r="8"/>`
        + `<path d="M${band.x0 - 3.5},${middle - 3.5}l7,7m0,-7l-7,7"/></g>`;
    }
  }
  vips.forEach((vip, index) => {
    const y = lane.hold + index * place.row;
    const own = run.holdings.filter((span) => span.node === node && span.vip === vip);
    for (const band of inView(frame, own)) {
      out += rect("hold", band.x0, band.x1, y, place.row - 1, `data-k="h${band.span.index}"`);
      if (place.row > 10) out += bandText(frame, band, y + 10.5, [`holds ${vip}`, vip], "on-hold", FONT);
    }
    const shared = conflicts.filter((span) => span.vip === vip && span.nodes.includes(node));
    for (const band of inView(frame, shared)) {
      const { nodes } = band.span;
      out += rect("conflict", band.x0, Math.max(band.x1, band.x0 + 3), y - 1, place.row + 1, `data-k="o${band.span.index}"`);
      if (place.row > 10) {
        out += bandText(frame, band, y + 10.5, [`${nodes.length} HOLD ${vip}`, `${nodes.length} HOLD`, "‼"], "on-conflict", BOLD);
      }
    }
    const sent = run.announcements.filter((one) => one.node === node && one.vip === vip
      && one.at_ns >= frame.from && one.at_ns <= frame.to);
    let last = -Infinity;
    for (const one of sent) {
      const x = frame.x(one.at_ns);
      if (x - last < 2) continue;
      last = x;
      const half = Math.min(5, place.row / 2);
      marks += `<path class="garp" data-k="g${one.index}" d="M${x.toFixed(1)},${y + place.row / 2 - half}l${half},${half}l-${half},${half}l-${half},-${half}z"/>`;
    }
  });
  return out + marks;
}

function drawConflictShade(frame, place) {
  return inView(frame, conflicts).map(({ x0, x1, span }) => {
    const [first, last] = [place.lanes[span.nodes[0]], place.lanes[span.nodes.at(-1)]];
    return first && last ? rect("shade", x0, Math.max(x1, x0 + 3), first.top, last.bottom - first.top) : "";
  }).join("");
}

function drawClient(frame, place) {
  let out = "";
  for (const [vip, y] of place.clientRow) {
    const own = reached.filter((span) => span.vip === vip);
    for (const band of inView(frame, own, (span) => span.holds ? 0 : 1)) {
      const { node, holds, index } = band.span;
      const kind = node === null ? "nobody" : holds ? `to-node n${node % 4}` : "deaf";
      out += rect(`client ${kind}`, band.x0, band.x1, y, 16, `data-k="c${index}"`);
      const texts = node === null ? ["no entry", "–"]
        : holds ? [`→ ${nameOf(node)}`] : [`→ ${nameOf(node)}: doesn't have the VIP`, `→ ${nameOf(node)}`, "✕"];
      out += bandText(frame, band, y + 12, texts, "on-client", FONT);
    }
  }
  return out;
}

function drawViolation(frame, place) {
  if (!run.violation) return "";
  const { invariant, at_ns: at, text } = run.violation;
  const x = frame.x(at);
  const words = `${invariant}: ${text}`;
  if (x < frame.left || x > frame.right) {
    const [name, anchor, edge] = x < frame.left ? [`◀ ${invariant} at ${instant(at)}`, "start", frame.left + 6]
      : [`${invariant} at ${instant(at)} ▶`, "end", frame.right - 6];
    return label("violation-away", edge, 16, name, `text-anchor="${anchor}" data-do="violation"`);
  }
  const roomy = Math.max(x - frame.left, frame.right - x) - 12;
  const shown = fitting(words, roomy, BOLD) || invariant;
  const width = textWidth(shown, BOLD) + 12;
  const start = x + width <= frame.right ? x : Math.max(frame.left, x - width);
  return `<g data-k="v" class="violation"><path d="M${x.toFixed(1)},20V${place.height}"/>`
    + `<rect x="${start.toFixed(1)}" y="2" width="${width.toFixed(1)}" height="20" rx="3"/>`
    + `${label("", start + 6, 16, shown)}</g>`;
}

// Who is who: in a gutter where there is room, over each lane where there isn't.
function drawNames(place) {
  const out = place.lanes.map((lane, node) => {
    const { name, address, priority } = run.nodes[node];
    if (!place.wide) {
      return `<text class="name" x="4" y="${lane.top + 12}">${escaped(name)} <tspan class="minor">${escaped(address)} · priority ${priority}</tspan></text>`;
    }
    return label("name", 4, lane.state + 12, fitting(name, place.left - 10, "bold 13px system-ui"))
      + label("minor", 4, lane.state + 27, fitting(address, place.left - 10))
      + label("minor", 4, lane.state + 41, `priority ${priority}`);
  });
  if (place.clientRow.size && !place.wide) out.push(label("name", 4, place.client + 12, "client"));
  if (place.wide) {
    for (const [vip, y] of place.clientRow) out.push(label("name small", 4, y + 12, fitting(`client → ${vip}`, place.left - 8, BOLD)));
    if (run.faults.length) out.push(label("minor", 4, place.faults + 13, "faults"));
  }
  return out.join("");
}
