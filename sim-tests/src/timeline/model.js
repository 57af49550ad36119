// The run, put in order, and what follows from it.
const run = JSON.parse(document.getElementById("data").textContent);
const byTime = (a, b) => a.from_ns - b.from_ns || (a.node ?? 0) - (b.node ?? 0);
for (const list of [run.states, run.holdings, run.faults, run.client]) list.sort(byTime);
run.adverts.sort((a, b) => a.sent_ns - b.sent_ns);
run.announcements.sort((a, b) => a.at_ns - b.at_ns);

const END = Math.max(run.end_ns, 1);
const nameOf = (node) => run.nodes[node]?.name ?? `node ${node}`;
const everyNode = run.nodes.map((_, node) => node);
const concerned = (fault) => (fault.nodes.length ? fault.nodes : everyNode);

const vips = [...new Set([...run.holdings, ...run.client].map((span) => span.vip))].sort((a, b) =>
  a.localeCompare(b, "en", { numeric: true }),
);

// The spans of each node, with their place in the whole list: a mark on the page has that name.
const statesOf = everyNode.map(() => []);
run.states.forEach((span, index) => {
  span.index = index;
  const earlier = statesOf[span.node]?.at(-1);
  span.before = earlier && earlier.to_ns === span.from_ns ? earlier.state : null;
  statesOf[span.node]?.push(span);
});
for (const list of [run.holdings, run.adverts, run.announcements]) {
  list.forEach((one, index) => {
    one.index = index;
  });
}

// The members of a list by some name, each group in the list's order.
function grouped(list, name) {
  const groups = new Map();
  for (const one of list) {
    const group = groups.get(name(one));
    if (group) group.push(one);
    else groups.set(name(one), [one]);
  }
  return (id) => groups.get(id) ?? [];
}
const rowName = (node, vip) => `${node} ${vip}`;
const holdingsOf = grouped(run.holdings, (span) => rowName(span.node, span.vip));
const holdingsFor = grouped(run.holdings, (span) => span.vip);
const announcementsOf = grouped(run.announcements, (one) => rowName(one.node, one.vip));
const clientOf = grouped(run.client, (span) => span.vip);
const changes = run.states.filter((span) => span.before || span.from_ns > 0);

// When several nodes held one VIP.
const conflicts = vips
  .flatMap((vip) => {
    const edges = holdingsFor(vip)
      .filter((span) => span.to_ns > span.from_ns)
      .flatMap((span) => [
        [span.from_ns, 1, span.node],
        [span.to_ns, -1, span.node],
      ])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const holders = new Map();
    const found = [];
    let since = 0;
    for (const [at, step, node] of edges) {
      const nodes = [...holders.keys()].sort((a, b) => a - b);
      if (nodes.length > 1 && at > since) {
        const last = found.at(-1);
        if (last?.to_ns === since && last.nodes.join() === nodes.join()) last.to_ns = at;
        else found.push({ vip, nodes, from_ns: since, to_ns: at });
      }
      const count = (holders.get(node) ?? 0) + step;
      if (count) holders.set(node, count);
      else holders.delete(node);
      since = at;
    }
    return found;
  })
  .sort(byTime);
conflicts.forEach((span, index) => {
  span.index = index;
});
const conflictsFor = grouped(conflicts, (span) => span.vip);

// The same for any VIP, from the first lane that took part to the last.
const twice = [];
for (const { from_ns, to_ns, nodes } of conflicts) {
  const last = twice.at(-1);
  const [first, end] = [nodes[0], nodes.at(-1)];
  if (last && from_ns <= last.to_ns) {
    last.to_ns = Math.max(last.to_ns, to_ns);
    last.lanes = [Math.min(last.lanes[0], first), Math.max(last.lanes[1], end)];
  } else {
    twice.push({ from_ns, to_ns, lanes: [first, end] });
  }
}

// Whom the client reaches, cut where that node takes or loses the VIP.
const reached = run.client.flatMap((span, index) => {
  if (span.node === null) return [{ ...span, index, holds: false }];
  const held = holdingsOf(rowName(span.node, span.vip)).filter(
    (holding) => holding.from_ns < span.to_ns && holding.to_ns > span.from_ns,
  );
  const pieces = [];
  let at = span.from_ns;
  const piece = (to_ns, holds) => {
    if (to_ns > at) pieces.push({ ...span, index, from_ns: at, to_ns, holds });
    at = Math.max(at, to_ns);
  };
  for (const holding of held) {
    piece(holding.from_ns, false);
    piece(Math.min(holding.to_ns, span.to_ns), true);
  }
  piece(span.to_ns, false);
  return pieces;
});
const reachedFor = grouped(reached, (span) => span.vip);

// The first place in a list ordered by `key` that isn't before `at`.
function firstFrom(list, at, key) {
  let low = 0,
    high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][key] < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

const covers = (span, at) =>
  span.from_ns <= at && (at < span.to_ns || (at === END && span.to_ns === END));

// The one of some spans, in order and apart, that covers a time.
function spanAt(list, at) {
  const span = list[firstFrom(list, at + 1, "from_ns") - 1];
  return span && covers(span, at) ? span : null;
}
const heldAt = (node, at) => vips.filter((vip) => spanAt(holdingsOf(rowName(node, vip)), at));

// How long after its sending an advert may still be on its way.
const slowest = run.adverts.reduce(
  (most, advert) => Math.max(most, (advert.arrived_ns ?? advert.sent_ns) - advert.sent_ns),
  0,
);

// The interval of adverts: the middle one of the first thousand between two nodes.
const interval = (() => {
  const last = new Map();
  const gaps = [];
  for (const advert of run.adverts) {
    const pair = advert.from * run.nodes.length + advert.to;
    if (last.has(pair) && advert.sent_ns > last.get(pair))
      gaps.push(advert.sent_ns - last.get(pair));
    last.set(pair, advert.sent_ns);
    if (gaps.length === 1000) break;
  }
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? END / 40;
})();

const whole = { from: -END * 0.01, to: END * 1.01 };

// A window around a point in time, wide enough for what led to it: the last few events before.
function around(at) {
  const before = [
    ...changes.map((span) => span.from_ns),
    ...run.faults.flatMap((fault) => [fault.from_ns, fault.to_ns]),
    ...run.holdings.flatMap((span) => [span.from_ns, span.to_ns]),
  ]
    .filter((t) => t < at && t > 0)
    .sort((a, b) => b - a);
  const cause = at - (before[Math.min(7, before.length - 1)] ?? at);
  const back = Math.min(Math.max(cause * 1.1, interval * 4), Math.max(at, END / 100));
  const from = Math.max(at - back, whole.from),
    to = Math.min(at + back * 0.7, whole.to);
  return { from, to };
}

// What the list of events and the details say.
const stateWords = (span) =>
  span.before ? `${span.before} → ${span.state}` : `starts as ${span.state}`;
const until = (span) =>
  span.to_ns >= END ? "until the end" : `for ${duration(span.to_ns - span.from_ns)}`;
const listNodes = (nodes) =>
  nodes.length === run.nodes.length && nodes.length > 1
    ? "all nodes"
    : nodes.map(nameOf).join(", ");

const events = [
  ...run.states.map((span) => ({
    kind: "state",
    at: span.from_ns,
    key: `s${span.index}`,
    who: nameOf(span.node),
    what: stateWords(span),
    why: span.reason,
    mark: span.state,
  })),
  ...run.faults.flatMap((fault, index) => {
    const row = {
      kind: "fault",
      key: `f${index}`,
      who: listNodes(concerned(fault)),
      mark: "fault",
    };
    const long = fault.to_ns > fault.from_ns;
    return [
      { ...row, at: fault.from_ns, what: fault.text, why: long ? until(fault) : "" },
      ...(long && fault.to_ns < END
        ? [{ ...row, at: fault.to_ns, what: `over: ${fault.text}`, why: "" }]
        : []),
    ];
  }),
  ...run.holdings.flatMap((span) => {
    const row = {
      kind: "vip",
      key: `h${span.index}`,
      who: nameOf(span.node),
      why: "",
      mark: "hold",
    };
    return [
      { ...row, at: span.from_ns, what: `holds ${span.vip}` },
      ...(span.to_ns < END
        ? [{ ...row, at: span.to_ns, what: `no longer holds ${span.vip}` }]
        : []),
    ];
  }),
  ...conflicts.map((span) => ({
    kind: "vip",
    at: span.from_ns,
    key: `o${span.index}`,
    who: listNodes(span.nodes),
    mark: "conflict",
    what: `${span.nodes.length} nodes hold ${span.vip}`,
    why: until(span),
  })),
  ...run.client.map((span, index) => ({
    kind: "client",
    at: span.from_ns,
    key: `c${index}`,
    who: "client",
    mark: "client",
    why: "",
    what: span.node === null ? `${span.vip}: no entry` : `${span.vip} is at ${nameOf(span.node)}`,
  })),
  ...(run.violation
    ? [
        {
          kind: "violation",
          at: run.violation.at_ns,
          key: "v",
          who: "",
          mark: "violation",
          what: `${run.violation.invariant} broken`,
          why: run.violation.text,
        },
      ]
    : []),
].sort((a, b) => a.at - b.at);
