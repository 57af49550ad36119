// What the panel says about one mark, and about the whole cluster at one time.
const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const spanRows = (span) => [
  ["from", instant(span.from_ns)],
  ["to", `${instant(span.to_ns)} (${duration(span.to_ns - span.from_ns)})`],
];

const DESCRIBE = {
  s: (index) => {
    const span = run.states[index];
    return [
      `${nameOf(span.node)}: ${stateWords(span)}`,
      [["why", span.reason || "–"], ...spanRows(span)],
      span.from_ns,
    ];
  },
  h: (index) => {
    const span = run.holdings[index];
    return [`${nameOf(span.node)} holds ${span.vip}`, spanRows(span), span.from_ns];
  },
  o: (index) => {
    const span = conflicts[index];
    return [
      `${span.nodes.length} nodes hold ${span.vip}: ${span.nodes.map(nameOf).join(", ")}`,
      spanRows(span),
      span.from_ns,
    ];
  },
  f: (index) => {
    const fault = run.faults[index];
    const when = fault.to_ns > fault.from_ns ? spanRows(fault) : [["at", instant(fault.from_ns)]];
    return [fault.text, [["done to", listNodes(concerned(fault))], ...when], fault.from_ns];
  },
  a: (index) => {
    const advert = run.adverts[index];
    const arrived =
      advert.arrived_ns === null
        ? "never: lost"
        : `${instant(advert.arrived_ns)} (${duration(advert.arrived_ns - advert.sent_ns)} later)`;
    return [
      `Advert from ${nameOf(advert.from)} to ${nameOf(advert.to)}, priority ${advert.priority}` +
        (advert.priority === 0 ? " (a farewell)" : ""),
      [
        ["sent", instant(advert.sent_ns)],
        ["arrived", arrived],
        ...(advert.note ? [["note", advert.note]] : []),
      ],
      advert.sent_ns,
    ];
  },
  c: (index) => {
    const span = run.client[index];
    return [
      span.node === null
        ? `The client has no entry for ${span.vip}`
        : `The client sends what is for ${span.vip} to ${nameOf(span.node)}`,
      spanRows(span),
      span.from_ns,
    ];
  },
  g: (index) => {
    const sent = run.announcements[index];
    return [
      `${nameOf(sent.node)} announces ${sent.vip}`,
      [["at", instant(sent.at_ns)]],
      sent.at_ns,
    ];
  },
  v: () => [
    `${run.violation.invariant} broken: ${run.violation.text}`,
    [["at", instant(run.violation.at_ns)]],
    run.violation.at_ns,
  ],
};

const describe = (key) => DESCRIBE[key[0]](Number(key.slice(1)));

function heldWords(held) {
  if (held.length > 3 && held.length === vips.length) return `holds all ${held.length} VIPs`;
  return held.length ? `holds ${held.join(", ")}` : "holds nothing";
}

// Every node at one time, as a table.
function snapshot(at) {
  const rows = everyNode.map((node) => {
    const span = spanAt(statesOf[node], at);
    const held = heldAt(node, at);
    const shared = held.some((vip) => spanAt(conflictsFor(vip), at)?.nodes.includes(node));
    const since = span ? `for ${duration(at - span.from_ns)}` : "";
    return (
      `<tr><th scope="row">${escaped(nameOf(node))}</th>` +
      `<td><i class="k-${span?.state ?? "none"}"></i>${span?.state ?? "–"}</td>` +
      `<td>${since}</td>` +
      `<td${shared ? ' class="twice"' : ""}>${escaped(heldWords(held))}</td></tr>`
    );
  });
  const client = vips
    .map((vip) => spanAt(clientOf(vip), at))
    .filter(Boolean)
    .map(({ vip, node }) => {
      const holds = spanAt(holdingsOf(rowName(node, vip)), at);
      if (node === null) return `${vip} → nobody`;
      return `${vip} → ${nameOf(node)}${holds ? "" : " (doesn't have it)"}`;
    });
  if (client.length) {
    rows.push(
      `<tr><th scope="row">client</th><td colspan="3">${escaped(client.join(", "))}</td></tr>`,
    );
  }
  return `<table class="snapshot"><caption>At ${instant(at)}</caption>${rows.join("")}</table>`;
}

const HELD = '<p class="note">Held here: Escape, or a click beside it, lets go.</p>';
let shownDetails = "";
function showDetails(key, at, pinned) {
  const parts = [];
  if (key) {
    const [title, rows, since] = describe(key);
    at ??= since;
    parts.push(
      `<div><h2>${escaped(title)}</h2><dl>` +
        rows.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join("") +
        `</dl>${pinned ? HELD : ""}</div>`,
    );
  }
  const whenIn = Math.round(Math.min(Math.max(at ?? 0, 0), run.end_ns));
  if (run.nodes.length) parts.push(snapshot(whenIn));
  const html = parts.join("");
  if (html === shownDetails) return;
  shownDetails = html;
  document.getElementById("details").innerHTML = html;
}
