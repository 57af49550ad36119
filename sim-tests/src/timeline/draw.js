// The drawing: one SVG, made anew for each view, of what is in view and no finer than pixels.
const STRENGTH = { MASTER: 4, DOWN: 3, PAUSED: 2, BACKUP: 1, INITIALIZE: 0 };
// Height tells states apart too: a MASTER is the tallest, and drawn last, over its neighbours.
const HEIGHT = { INITIALIZE: 14, BACKUP: 16, PAUSED: 18, DOWN: 18, MASTER: 26 };
const FONT = "11px system-ui, sans-serif",
  BOLD = "bold " + FONT;
// More marks than this in one row are one path, which says nothing when pointed at: each would be
// too small for that.
const MARKS_MAX = 100;
const FAULT_ROWS = 4,
  FAULT_ROW = 19,
  LANE_GAP = 32;

const pen = document.createElement("canvas").getContext("2d");
const px = (number) => number.toFixed(1);
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
  const share = Math.floor((text.length * room) / textWidth(text, font)) - 2;
  return share > 4 ? text.slice(0, share).trimEnd() + "…" : "";
}

// Where everything stands, from top to bottom.
function layout(width) {
  const wide = width >= 720;
  const left = wide ? 150 : 0;
  const head = wide ? 0 : 18;
  let y = run.violation ? 26 : 0;
  const place = { width, wide, left, right: width, violation: 0, axis: y };
  y += 24;
  place.faults = y;
  place.faultRows = rowsFor(frameOf(whole, place));
  y += place.faultRows * FAULT_ROW + 4;
  const row = vips.length > 4 ? 7 : 14;
  place.row = row;
  place.lanes = run.nodes.map(() => {
    const top = y + 10;
    const state = top + head;
    const hold = state + HEIGHT.MASTER + 2;
    const bottom = Math.max(hold + row * vips.length, wide ? state + 44 : 0);
    y = bottom + LANE_GAP - 10;
    // Arrows end above the name, where it has no gutter.
    return { top, state, hold, bottom, door: wide ? state : top - 4 };
  });
  const seen = vips.filter((vip) => clientOf(vip).length);
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
  `<rect class="${name}" x="${px(x0)}" width="${px(Math.max(x1 - x0, 1.5))}" y="${y}" ` +
  `height="${height}" ${more}/>`;

// One rectangle for each band, named by `key`; or one path, for a crowd of them and
// for what needs no names.
function strips(name, bands, y, height, key) {
  if (bands.length === 0) return "";
  if (key && bands.length <= MARKS_MAX) {
    return bands
      .map(({ x0, x1, span }) => rect(name, x0, x1, y, height, `data-k="${key(span)}"`))
      .join("");
  }
  const parts = bands.map(({ x0, x1 }) => {
    const width = px(Math.max(x1 - x0, 1.5));
    return `M${px(x0)},${y}h${width}v${height}h-${width}z`;
  });
  return `<path class="${name}" d="${parts.join("")}"/>`;
}
const label = (name, x, y, text, more = "") =>
  text && `<text class="${name}" x="${px(x)}" y="${y}" ${more}>${escaped(text)}</text>`;

// A text at the visible start of a band, the longest of `texts` that fits.
// `free` is what a mark at its start covers.
function bandText(frame, band, y, texts, name, font = FONT, free = 0) {
  const x = Math.max(band.x0 + free, frame.left) + 5;
  const room = Math.min(band.x1, frame.right) - x - 4;
  const text = texts.find((text) => textWidth(text, font) <= room) ?? "";
  return label(name, x, y, text);
}

function drawAxis(frame, place) {
  const axis = ticks(
    Math.max(frame.from, 0),
    Math.min(frame.to, END),
    ((frame.to - frame.from) / (frame.right - frame.left)) * 84,
  );
  const y = place.axis;
  return (
    axis.ticks
      .map(({ at, text }) => {
        const x = frame.x(at);
        const half = textWidth(text) / 2;
        const shown = x - half >= frame.left - 2 && x + half <= frame.right;
        return (
          `<path class="grid" d="M${px(x)},${y + 18}V${place.height}"/>` +
          (shown ? label("tick", x, y + 13, text, 'text-anchor="middle"') : "")
        );
      })
      .join("") +
    (axis.base && place.wide ? label("tick base", 0, y + 13, `${instant(axis.base)} +`) : "")
  );
}

// Gives each fault the first row where its words fit. Those too long for its bar follow it.
function faultRows(frame, rows) {
  const free = Array(rows).fill(-Infinity);
  const placed = [];
  run.faults.forEach((fault, index) => {
    if (fault.to_ns < frame.from || fault.from_ns > frame.to) return;
    const [x0, x1] = [frame.x(fault.from_ns), frame.x(fault.to_ns)];
    const start = Math.max(x0, frame.left),
      end = Math.min(x1, frame.right);
    const width = textWidth(fault.text);
    const inside = width + 10 <= end - start;
    const words = inside ? start + 6 : Math.min(end, frame.right) + 7;
    let row = free.findIndex((x) => x <= start);
    const full = row < 0;
    if (full) row = placed.length % rows;
    free[row] = Math.max(free[row], end + 4, full || inside ? 0 : words + width + 8);
    placed.push({ fault, index, x0, x1, start, end, row, words, full });
  });
  return placed;
}

// How many rows the whole run needs.
function rowsFor(frame) {
  const placed = faultRows(frame, FAULT_ROWS);
  return placed.some(({ full }) => full)
    ? FAULT_ROWS
    : Math.max(0, ...placed.map(({ row }) => row + 1));
}

// Faults have rows of their own, for their words; the lanes they concern are shaded.
function drawFaults(frame, place) {
  const shown = place.faultRows ? faultRows(frame, place.faultRows) : [];
  let lanes = "",
    words = "",
    last = -Infinity;
  for (const { fault, index, x0, x1, start, end, row, words: at, full } of shown) {
    const key = `data-k="f${index}"`;
    const point = fault.to_ns === fault.from_ns;
    // Two within a pixel would look like one anyway.
    if (shown.length < 500 || x0 - last >= 1) {
      last = x0;
      for (const node of concerned(fault)) {
        const lane = place.lanes[node];
        if (!lane) continue;
        const [top, height] = [lane.top - 5, lane.bottom - lane.top + 10];
        lanes += point
          ? `<path class="strike" ${key} d="M${x0 + 2},${top - 5}l-5,9h5l-3,8"/>`
          : rect("fault-lane", start, end, top, height, key) +
            `<path class="bracket" d="M${x0 + 4},${top}H${x0}v${height}h4` +
            `M${x1 - 4},${top}H${x1}v${height}h-4"/>`;
      }
    }
    const y = place.faults + row * FAULT_ROW;
    // At the right edge, words after a bar would be lost; over it, most of them show.
    const from = at + 40 > frame.right ? Math.max(start + 6, frame.left + 4) : at;
    const text = label(
      "fault-text",
      from,
      y + 13,
      full ? "" : fitting(fault.text, frame.right - from),
    );
    words += point
      ? `<g ${key}><path class="strike" d="M${x0 + 2},${y + 2}l-5,8h5l-3,7"/>${text}</g>`
      : `<g ${key}>${rect("fault", start, end, y + 1, 16)}` +
        `<path class="bracket" d="M${x0},${y + 1}v16M${x1},${y + 1}v16"/>${text}</g>`;
  }
  return { lanes, words };
}

function drawAnnouncements(frame, sent, middle, half) {
  const shown = [];
  let last = -Infinity;
  for (
    let i = firstFrom(sent, frame.from, "at_ns");
    i < sent.length && sent[i].at_ns <= frame.to;
    i++
  ) {
    const x = frame.x(sent[i].at_ns);
    if (x - last < half) continue;
    last = x;
    shown.push([
      `M${px(x)},${middle - half}l${half},${half}l-${half},${half}l-${half},-${half}z`,
      sent[i],
    ]);
  }
  return shown.length > MARKS_MAX
    ? `<path class="garp" d="${shown.map(([path]) => path).join("")}"/>`
    : shown
        .map(([path, one]) => `<path class="garp" data-k="g${one.index}" d="${path}"/>`)
        .join("");
}

function drawLane(frame, place, node) {
  const lane = place.lanes[node];
  const middle = lane.state + HEIGHT.MASTER / 2;
  let out = "",
    marks = "",
    crashed = -Infinity;
  const states = inView(frame, statesOf[node], (span) => STRENGTH[span.state]);
  for (const [state, height] of Object.entries(HEIGHT)) {
    const bands = states.filter(({ span }) => span.state === state);
    out += strips(
      `state k-${state}`,
      bands,
      middle - height / 2,
      height,
      (span) => `s${span.index}`,
    );
  }
  for (const band of states) {
    const { span } = band;
    const font = span.state === "MASTER" ? BOLD : FONT;
    const texts = [
      span.reason ? `${span.state} · ${span.reason}` : span.state,
      span.state,
      span.state.slice(0, 1),
    ];
    const crash = span.state === "DOWN" && span.from_ns > 0;
    out += bandText(frame, band, middle + 4, texts, `on-${span.state}`, font, crash ? 8 : 0);
    if (crash && band.x0 >= frame.left - 8 && band.x0 - crashed > 8) {
      crashed = band.x0;
      marks +=
        `<g class="crash" data-k="s${span.index}">` +
        `<circle cx="${px(band.x0)}" cy="${middle}" r="8"/>` +
        `<path d="M${band.x0 - 3.5},${middle - 3.5}l7,7m0,-7l-7,7"/></g>`;
    }
  }
  vips.forEach((vip, index) => {
    const y = lane.hold + index * place.row;
    const row = rowName(node, vip);
    const own = inView(frame, holdingsOf(row));
    out += strips("hold", own, y, place.row - 1, (span) => `h${span.index}`);
    for (const band of place.row > 10 ? own : []) {
      out += bandText(frame, band, y + 10.5, [`holds ${vip}`, vip], "on-hold", FONT, 6);
    }
    const shared = inView(
      frame,
      conflictsFor(vip).filter((span) => span.nodes.includes(node)),
    );
    for (const band of shared) band.x1 = Math.max(band.x1, band.x0 + 3);
    out += strips("conflict", shared, y, place.row - 1, (span) => `o${span.index}`);
    for (const band of place.row > 10 ? shared : []) {
      const many = band.span.nodes.length;
      out += bandText(
        frame,
        band,
        y + 10.5,
        [`${many} HOLD ${vip}`, `${many} HOLD`, "‼"],
        "on-conflict",
        BOLD,
        6,
      );
    }
    marks += drawAnnouncements(
      frame,
      announcementsOf(row),
      y + place.row / 2,
      Math.min(5, place.row / 2),
    );
  });
  return out + marks;
}

function drawConflictShade(frame, place) {
  return inView(frame, twice)
    .map(({ x0, x1, span }) => {
      const [first, last] = span.lanes.map((node) => place.lanes[node]);
      return first && last
        ? rect("shade", x0, Math.max(x1, x0 + 3), first.top, last.bottom - first.top)
        : "";
    })
    .join("");
}

function drawClient(frame, place) {
  let out = "";
  for (const [vip, y] of place.clientRow) {
    for (const band of inView(frame, reachedFor(vip), (span) => (span.holds ? 0 : 1))) {
      const { node, holds, index } = band.span;
      const kind = node === null ? "nobody" : holds ? `to-node n${node % 4}` : "deaf";
      out += rect(`client ${kind}`, band.x0, band.x1, y, 16, `data-k="c${index}"`);
      const texts =
        node === null
          ? ["no entry", "–"]
          : holds
            ? [`→ ${nameOf(node)}`]
            : [`→ ${nameOf(node)}: doesn't have the VIP`, `→ ${nameOf(node)}`, "✕"];
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
    const [name, anchor, edge] =
      x < frame.left
        ? [`◀ ${invariant} at ${instant(at)}`, "start", frame.left + 6]
        : [`${invariant} at ${instant(at)} ▶`, "end", frame.right - 6];
    return label("violation-away", edge, 16, name, `text-anchor="${anchor}" data-do="violation"`);
  }
  const roomy = Math.max(x - frame.left, frame.right - x) - 12;
  const shown = fitting(words, roomy, BOLD) || invariant;
  const width = textWidth(shown, BOLD) + 12;
  const start = x + width <= frame.right ? x : Math.max(frame.left, x - width);
  return (
    `<g data-k="v" class="violation"><path d="M${px(x)},20V${place.height}"/>` +
    `<rect x="${px(start)}" y="2" width="${px(width)}" height="20" rx="3"/>` +
    `${label("", start + 6, 16, shown)}</g>`
  );
}

// Who is who: in a gutter where there is room, over each lane where there isn't.
function drawNames(place) {
  const out = place.lanes.map((lane, node) => {
    const { name, address, priority } = run.nodes[node];
    if (!place.wide) {
      const minor = `<tspan class="minor">${escaped(address)} · priority ${priority}</tspan>`;
      return `<text class="name over" x="4" y="${lane.top + 12}">${escaped(name)} ${minor}</text>`;
    }
    return (
      label("name", 4, lane.state + 12, fitting(name, place.left - 10, "bold 13px system-ui")) +
      label("minor", 4, lane.state + 27, fitting(address, place.left - 10)) +
      label("minor", 4, lane.state + 41, `priority ${priority}`)
    );
  });
  if (place.clientRow.size && !place.wide)
    out.push(label("name over", 4, place.client + 12, "client"));
  if (place.wide) {
    for (const [vip, y] of place.clientRow)
      out.push(label("name small", 4, y + 12, fitting(`client, ${vip}`, place.left - 8, BOLD)));
    if (place.faultRows) out.push(label("minor", 4, place.faults + 13, "faults"));
  }
  return out.join("");
}
