// Adverts: arrows where they can be told apart, and bars for how many where they can't.
const ARROWS_APART = 4,
  ARROWS_MAX = 3000,
  SPECIAL_MAX = 200,
  BAR = 4;

function advertsInView(frame) {
  const out = [];
  for (
    let i = firstFrom(run.adverts, frame.from - slowest, "sent_ns");
    i < run.adverts.length;
    i++
  ) {
    const advert = run.adverts[i];
    if (advert.sent_ns > frame.to) break;
    if ((advert.arrived_ns ?? advert.sent_ns) >= frame.from) out.push(advert);
  }
  return out;
}

// A line cut to the view: far outside of it, a browser's coordinates are no longer exact.
function cut(frame, x0, y0, x1, y1) {
  const at = (x) => (x1 === x0 ? 0 : (x - x0) / (x1 - x0));
  const start = Math.min(1, Math.max(0, at(frame.left - 50)));
  const end = Math.max(0, Math.min(1, at(frame.right + 50)));
  const [low, high] = x1 === x0 ? [0, 1] : [start, end];
  const point = (share) => `${px(x0 + (x1 - x0) * share)},${px(y0 + (y1 - y0) * share)}`;
  return `M${point(low)}L${point(high)}`;
}

function arrow(frame, place, advert) {
  const from = place.lanes[advert.from],
    to = place.lanes[advert.to];
  if (!from || !to || from === to) return "";
  const down = to.top > from.top;
  const lost = advert.arrived_ns === null;
  const way = down ? 1 : -1;
  const y0 = down ? from.bottom + 1 : from.door - 1;
  const y1 = (down ? to.door - 2 : to.bottom + 2) - (lost ? way * 7 : 0);
  const x0 = frame.x(advert.sent_ns);
  const x1 = lost ? x0 : frame.x(advert.arrived_ns);
  const line = cut(frame, x0, y0, x1, y1);
  let head = "";
  if (lost) {
    head = `M${px(x1 - 4)},${y1 - 4}l8,8m0,-8l-8,8`;
  } else if (x1 < frame.right + 50) {
    const angle = Math.atan2(y1 - y0, x1 - x0);
    const wing = (turn) =>
      `${px(x1 - 7 * Math.cos(angle + turn))},${px(y1 - 7 * Math.sin(angle + turn))}`;
    head = `M${wing(0.4)}L${px(x1)},${y1}L${wing(-0.4)}`;
  }
  const kind = lost ? "lost" : advert.priority === 0 ? "zero" : "";
  return (
    `<g class="advert ${kind}" data-k="a${advert.index}"><path class="hit" d="${line}"/>` +
    `<path class="line" d="${line}"/><path d="${head}"/>` +
    (advert.priority === 0 ? label("", x0 + 4, y0 + (down ? 12 : -4), "0") : "") +
    "</g>"
  );
}

// How many each node sent, in bars that keep their place while the view moves.
function bars(frame, place, adverts) {
  const width = ((frame.to - frame.from) / (frame.right - frame.left)) * BAR;
  const first = Math.floor((frame.from - slowest) / width);
  const size = Math.ceil((frame.to - frame.from + slowest) / width) + 3;
  const sent = everyNode.map(() => new Uint32Array(size)),
    lost = everyNode.map(() => new Uint32Array(size));
  let most = 1;
  for (const advert of adverts) {
    const bar = Math.floor(advert.sent_ns / width) - first;
    if (bar < 0 || bar >= size || !sent[advert.from]) continue;
    most = Math.max(most, ++sent[advert.from][bar]);
    if (advert.arrived_ns === null) lost[advert.from][bar]++;
  }
  const path = (counts, lane) =>
    Array.from(counts, (count, bar) => {
      if (count === 0) return "";
      const height = 2 + (12 * count) / most;
      const x = frame.x((bar + first) * width);
      return `M${px(x)},${px(lane.bottom + 19 - height)}h${BAR - 1}v${px(height)}h-${BAR - 1}z`;
    }).join("");
  const drawn = place.lanes.map((lane, node) =>
    !sent[node].some(Boolean)
      ? ""
      : `<path class="bars" d="${path(sent[node], lane)}"/>` +
        `<path class="bars lost" d="${path(lost[node], lane)}"/>`,
  );
  return { drawn: drawn.join(""), width, most };
}

function drawAdverts(frame, place) {
  const adverts = advertsInView(frame);
  const receivers = Math.max(1, run.nodes.length - 1);
  const dense =
    adverts.length > ARROWS_MAX ||
    adverts.length / receivers > (frame.right - frame.left) / ARROWS_APART;
  const draw = (list) => list.map((advert) => arrow(frame, place, advert)).join("");
  if (!dense) return { drawn: draw(adverts), count: adverts.length, note: "" };
  // What is out of the ordinary stays an arrow as long as there is little of it.
  const special = [
    adverts.filter((one) => one.arrived_ns === null),
    adverts.filter((one) => one.priority === 0),
  ].filter((list) => list.length <= SPECIAL_MAX);
  const { drawn, width, most } = bars(frame, place, adverts);
  const kept = special.flat();
  const note =
    `${adverts.length.toLocaleString("en")} adverts in view: too many for arrows, so bars under ` +
    `each sender count them, ${rough(width)} each, the tallest ${most}. Zoom in for arrows.`;
  return { drawn: drawn + draw(kept), count: adverts.length, note, dense };
}
