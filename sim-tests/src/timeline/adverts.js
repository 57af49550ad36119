// Adverts: arrows where they can be told apart, and bars for how many where they can't.
const ARROWS_APART = 4, ARROWS_MAX = 3000, SPECIAL_MAX = 200, BAR = 3;

run.announcements.forEach((one, index) => { one.index = index; });
run.adverts.forEach((advert, index) => { advert.index = index; });

function advertsInView(frame) {
  const out = [];
  for (let i = firstFrom(run.adverts, frame.from - slowest, "sent_ns"); i < run.adverts.length; i++) {
    const advert = run.adverts[i];
    if (advert.sent_ns > frame.to) break;
    if ((advert.arrived_ns ?? advert.sent_ns) >= frame.from) out.push(advert);
  }
  return out;
}

// A line cut to the view: far outside of it, a browser's coordinates are no longer exact.
function cut(frame, x0, y0, x1, y1) {
  const at = (x) => x1 === x0 ? 0 : (x - x0) / (x1 - x0);
  const start = Math.min(1, Math.max(0, at(frame.left - 50)));
  const end = Math.max(0, Math.min(1, at(frame.right + 50)));
  const [low, high] = x1 === x0 ? [0, 1] : [start, end];
  const point = (share) => `${(x0 + (x1 - x0) * share).toFixed(1)},${(y0 + (y1 - y0) * share).toFixed(1)}`;
  return `M${point(low)}L${point(high)}`;
}

function arrow(frame, place, advert) {
  const from = place.lanes[advert.from], to = place.lanes[advert.to];
  if (!from || !to || from === to) return "";
  const down = to.top > from.top;
  const lost = advert.arrived_ns === null;
  const way = down ? 1 : -1;
  const y0 = down ? from.bottom + 1 : from.state - 1;
  const y1 = (down ? to.state - 2 : to.bottom + 2) - (lost ? way * 7 : 0);
  const x0 = frame.x(advert.sent_ns);
  const x1 = lost ? x0 : frame.x(advert.arrived_ns);
  const line = cut(frame, x0, y0, x1, y1);
  let head = "";
  if (lost) {
    head = `M${(x1 - 4).toFixed(1)},${y1 - 4}l8,8m0,-8l-8,8`;
  } else if (x1 < frame.right + 50) {
    const angle = Math.atan2(y1 - y0, x1 - x0);
    const wing = (turn) => `${(x1 - 7 * Math.cos(angle + turn)).toFixed(1)},${(y1 - 7 * Math.sin(angle + turn)).toFixed(1)}`;
    head = `M${wing(0.4)}L${x1.toFixed(1)},${y1}L${wing(-0.4)}`;
  }
  const kind = lost ? "lost" : advert.priority === 0 ? "zero" : "";
  return `<g class="advert ${kind}" data-k="a${advert.index}"><path class="hit" d="${line}"/>`
    + `<path class="line" d="${line}"/><path d="${head}"/>`
    + (advert.priority === 0 ? label("", x0 + 4, y0 + (down ? 12 : -4), "0") : "") + "</g>";
}

// How many each node sent, in bars that keep their place while the view moves.
function bars(frame, place, adverts) {
  const width = (frame.to - frame.from) / (frame.right - frame.left) * BAR;
  const first = Math.floor((frame.from - slowest) / width);
  const size = Math.ceil((frame.to - frame.from + slowest) / width) + 3;
  const sent = everyNode.map(() => new Map()), lost = everyNode.map(() => new Map());
  let most = 1;
  for (const advert of adverts) {
    const bar = Math.floor(advert.sent_ns / width) - first;
    if (bar < 0 || bar >= size || !sent[advert.from]) continue;
    const count = (sent[advert.from].get(bar) ?? 0) + 1;
    sent[advert.from].set(bar, count);
    most = Math.max(most, count);
    if (advert.arrived_ns === null) lost[advert.from].set(bar, (lost[advert.from].get(bar) ?? 0) + 1);
  }
  const path = (counts, lane) => [...counts].map(([bar, count]) => {
    const height = 2 + 14 * count / most;
    return `M${frame.x((bar + first) * width).toFixed(1)},${(lane.bottom + 19 - height).toFixed(1)}h${BAR}v${height.toFixed(1)}h-${BAR}z`;
  }).join("");
  const drawn = place.lanes.map((lane, node) => sent[node].size === 0 ? ""
    : `<path class="bars" d="${path(sent[node], lane)}"/><path class="bars lost" d="${path(lost[node], lane)}"/>`);
  return { drawn: drawn.join(""), width };
}

function drawAdverts(frame, place) {
  const adverts = advertsInView(frame);
  const receivers = Math.max(1, run.nodes.length - 1);
  const dense = adverts.length > ARROWS_MAX
    || adverts.length / receivers > (frame.right - frame.left) / ARROWS_APART;
  const draw = (list) => list.map((advert) => arrow(frame, place, advert)).join("");
  if (!dense) return { drawn: draw(adverts), count: adverts.length, note: "" };
  // What is out of the ordinary stays an arrow as long as there is little of it.
  const special = [adverts.filter((one) => one.arrived_ns === null), adverts.filter((one) => one.priority === 0)]
    .filter((list) => list.length <= SPECIAL_MAX);
  const { drawn, width } = bars(frame, place, adverts);
  const kept = special.flat();
  const note = `${adverts.length.toLocaleString("en")} adverts in view: too many for arrows, so bars under each `
    + `sender count them, ${duration(width)} each. Zoom in for arrows.`;
  return { drawn: drawn + draw(kept), count: adverts.length, note, dense };
}
