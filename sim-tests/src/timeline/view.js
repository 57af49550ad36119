// The view: which part of the run is shown, and how the reader moves it.
const plot = document.getElementById("plot"),
  overview = document.getElementById("overview");
const LEAST = 100;
let view = { ...whole },
  place = layout(1000),
  frame = null;
let pinned = null,
  cursor = null,
  due = false;

function frameOf({ from, to }, { left, right }) {
  const scale = (right - left) / (to - from);
  return {
    from,
    to,
    left,
    right,
    x: (t) => left + (t - from) * scale,
    t: (x) => from + (x - left) / scale,
  };
}

function draw() {
  due = false;
  place = layout(Math.max(plot.clientWidth, 280));
  frame = frameOf(view, place);
  const faults = drawFaults(frame, place);
  const adverts = drawAdverts(frame, place);
  const lanes = place.lanes.map(
    (lane, node) =>
      `<g class="lane" data-node="${node}">` +
      `${rect("ground", frame.left, frame.right, lane.top - 5, lane.bottom - lane.top + 10)}</g>`,
  );
  plot.innerHTML =
    `<svg width="${place.width}" height="${place.height}">${PATTERNS}` +
    `<clipPath id="inside"><rect x="${place.left}" y="0" width="${place.right - place.left}" ` +
    `height="${place.height}"/></clipPath>` +
    `<g clip-path="url(#inside)">${lanes.join("")}${drawAxis(frame, place)}${faults.lanes}` +
    `${drawConflictShade(frame, place)}${adverts.drawn}` +
    `${everyNode.map((node) => drawLane(frame, place, node)).join("")}` +
    `${drawClient(frame, place)}${faults.words}${drawViolation(frame, place)}` +
    `<g id="cursor"></g></g>${drawNames(place)}</svg>`;
  for (const mark of plot.querySelectorAll(`[data-k="${pinned ?? ""}"]`))
    mark.classList.add("chosen");
  drawCursor();
  const width = view.to - view.from;
  // No finer than what can be seen.
  const grain = 10 ** Math.max(0, Math.floor(Math.log10(width)) - 3);
  const seen = [Math.max(0, view.from), Math.min(END, view.to)].map(
    (t) => Math.round(t / grain) * grain,
  );
  document.getElementById("span").textContent =
    `${instant(seen[0])} – ${instant(seen[1])} (${duration(seen[1] - seen[0])})`;
  document.getElementById("hint").textContent =
    adverts.note ||
    "Wheel or pinch: zoom. Drag: move. Keys: + − ← → 0, n and p for changes, v for the " +
      "violation. A click holds the details.";
  document.getElementById("hint").classList.toggle("dense", Boolean(adverts.note));
  moveWindow();
}

function later() {
  if (!due) requestAnimationFrame(draw);
  due = true;
}

function show(from, to) {
  const most = whole.to - whole.from;
  const width = Math.min(Math.max(to - from, LEAST), most);
  from = Math.min(Math.max(from + (to - from - width) / 2, whole.from), whole.to - width);
  view = { from, to: from + width };
  later();
}

function zoom(factor, at = (view.from + view.to) / 2) {
  const width = Math.max((view.to - view.from) * factor, LEAST);
  const share = (at - view.from) / (view.to - view.from);
  show(at - share * width, at + (1 - share) * width);
}

function pan(share) {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}

// Shows the details of one mark, holds them, and brings it into view.
function choose(key, at, hold = true) {
  pinned = hold ? key : null;
  cursor = at;
  const margin = (view.to - view.from) * 0.05;
  if (at < view.from + margin || at > view.to - margin) {
    const half = (view.to - view.from) / 2;
    show(at - half, at + half);
  }
  later();
  showDetails(key, at, hold);
}

function step(way) {
  let place = pinned?.startsWith("s")
    ? changes.findIndex((span) => `s${span.index}` === pinned)
    : -1;
  if (place >= 0) {
    place += way;
  } else {
    const at = cursor ?? (view.from + view.to) / 2;
    const next = firstFrom(changes, at, "from_ns");
    place = way > 0 ? next : next - 1;
  }
  const span = changes[place];
  if (span) choose(`s${span.index}`, span.from_ns);
}

function showViolation(hold) {
  if (!run.violation) return;
  const { from, to } = around(run.violation.at_ns);
  show(from, to);
  choose("v", run.violation.at_ns, hold);
}

const ACTIONS = {
  in: () => zoom(1 / 1.6),
  out: () => zoom(1.6),
  left: () => pan(-0.2),
  right: () => pan(0.2),
  all: () => show(whole.from, whole.to),
  next: () => step(1),
  previous: () => step(-1),
  violation: () => showViolation(true),
  release: () => {
    pinned = null;
    later();
  },
};
const KEYS = {
  "+": "in",
  "=": "in",
  "-": "out",
  ArrowLeft: "left",
  ArrowRight: "right",
  0: "all",
  n: "next",
  p: "previous",
  v: "violation",
  Escape: "release",
};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input"))
    return;
  event.preventDefault();
  ACTIONS[action]();
});
document.addEventListener("click", (event) => {
  const action = event.target.closest?.("[data-do]")?.dataset.do;
  if (action) ACTIONS[action]();
});

// The line under the pointer, with its time.
function drawCursor() {
  const group = document.getElementById("cursor");
  if (!group) return;
  if (cursor === null || cursor < view.from || cursor > view.to) {
    group.innerHTML = "";
    return;
  }
  const x = frame.x(cursor);
  const text = instant(Math.max(0, Math.round(cursor)));
  const width = textWidth(text, BOLD) + 10;
  const start = Math.min(Math.max(x - width / 2, frame.left), frame.right - width);
  const onRed = cursor === run.violation?.at_ns;
  group.innerHTML =
    (onRed ? "" : `<path d="M${px(x)},${place.axis + 18}V${place.height}"/>`) +
    `<rect x="${px(start)}" y="${place.axis + 1}" width="${px(width)}" height="17" rx="3"/>` +
    label("", start + 5, place.axis + 13, text);
}

const xOf = (event) => event.clientX - plot.getBoundingClientRect().left;
// No finer than a pixel is wide.
function timeUnder(event) {
  const grain =
    10 ** Math.max(0, Math.floor(Math.log10((view.to - view.from) / (frame.right - frame.left))));
  return Math.min(Math.max(Math.round(frame.t(xOf(event)) / grain) * grain, 0), run.end_ns);
}
const keyUnder = (event) =>
  document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-k]")?.dataset.k ?? null;

plot.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) pan(sideways / 800);
    else zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), frame.t(xOf(event)));
  },
  { passive: false },
);

// Fingers and buttons that are down, each with the time it holds.
const held = new Map();
let travelled = 0;
plot.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  plot.setPointerCapture(event.pointerId);
  held.set(event.pointerId, { x: xOf(event), at: frame.t(xOf(event)) });
  travelled = 0;
});
plot.addEventListener("pointermove", (event) => {
  const mine = held.get(event.pointerId);
  if (!mine) {
    cursor = timeUnder(event);
    drawCursor();
    if (!pinned) showDetails(keyUnder(event), cursor, false);
    return;
  }
  travelled += Math.abs(xOf(event) - mine.x);
  mine.x = xOf(event);
  const [one, two] = [...held.values()];
  if (two && Math.abs(one.x - two.x) > 10 && one.at !== two.at) {
    // Both fingers keep the times they took hold of.
    const scale = Math.abs(one.at - two.at) / Math.abs(one.x - two.x);
    const [first] = one.x < two.x ? [one] : [two];
    const from = Math.min(one.at, two.at) - (first.x - frame.left) * scale;
    show(from, from + (frame.right - frame.left) * scale);
  } else if (!two && travelled > 4) {
    plot.classList.add("dragged");
    const by = mine.at - frame.t(mine.x);
    show(view.from + by, view.to + by);
    draw();
  }
});
function letGo(event) {
  if (!held.delete(event.pointerId)) return;
  plot.classList.remove("dragged");
  if (event.type === "pointerup" && travelled <= 4 && held.size === 0) {
    pinned = keyUnder(event);
    cursor = timeUnder(event);
    showDetails(pinned, cursor, Boolean(pinned));
    later();
  }
}
plot.addEventListener("pointerup", letGo);
plot.addEventListener("pointercancel", letGo);
plot.addEventListener("pointerleave", () => {
  if (pinned || held.size) return;
  cursor = null;
  drawCursor();
});

// The whole run in little, with the view as a window in it.
let small = null;
function drawOverview() {
  const wide = layout(Math.max(plot.clientWidth, 280));
  small = frameOf(whole, wide);
  const height = Math.max(run.nodes.length, 1) * 7 + 4;
  const rows = everyNode.flatMap((node) => {
    const bands = inView(small, statesOf[node], (span) => STRENGTH[span.state]);
    return Object.keys(HEIGHT).map((state) => {
      const own = bands.filter(({ span }) => span.state === state);
      return strips(`k-${state}`, own, node * 7 + 3, 5);
    });
  });
  const shared = inView(small, twice).map(({ x0, x1 }) =>
    rect("shade strong", x0, Math.max(x1, x0 + 2), 0, height),
  );
  const broken = run.violation
    ? rect("broken", small.x(run.violation.at_ns) - 1, small.x(run.violation.at_ns) + 1, 0, height)
    : "";
  overview.innerHTML =
    `<svg width="${wide.width}" height="${height}">${rows.join("")}${shared.join("")}${broken}` +
    `<path id="outside"/><rect id="window" y="0.5" height="${height - 1}" rx="2"/></svg>`;
  moveWindow();
}
function moveWindow() {
  const frameBox = document.getElementById("window");
  if (!frameBox || !small) return;
  const x0 = small.x(view.from),
    width = Math.max(small.x(view.to) - x0, 3);
  frameBox.setAttribute("x", x0);
  frameBox.setAttribute("width", width);
  document
    .getElementById("outside")
    .setAttribute(
      "d",
      `M${small.left},0H${x0}V999H${small.left}zM${x0 + width},0H${small.right}V999H${x0 + width}z`,
    );
}
overview.addEventListener("pointerdown", (event) => {
  overview.setPointerCapture(event.pointerId);
  overview.dispatchEvent(new PointerEvent("pointermove", event));
});
overview.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  const at = small.t(event.clientX - overview.getBoundingClientRect().left);
  const half = (view.to - view.from) / 2;
  show(at - half, at + half);
});

const hatch = (name, more) =>
  `<pattern id="${name}" width="6" height="6" patternUnits="userSpaceOnUse" ` +
  `patternTransform="rotate(45)"><rect class="${name}-ground" width="6" height="6"/>` +
  `<path class="${name}-lines" d="M0,0V6${more}"/></pattern>`;
const PATTERNS =
  `<defs>${hatch("paused", "")}${hatch("down", "M0,0H6")}` +
  `${hatch("twice", "")}${hatch("deaf", "")}</defs>`;
