// The words around the drawing, the list of events, and the first view.
const ROWS_MAX = 1000;
const byId = (id) => document.getElementById(id);

document.title = [run.title, run.subtitle].filter(Boolean).join(": ") || "A run";
byId("title").textContent = run.title || "A run";
byId("subtitle").textContent = run.subtitle;
byId("replay").textContent = run.replay;
document.querySelector(".replay").hidden = !run.replay;
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(run.replay);
    byId("copy").textContent = "Copied";
  } catch {
    // Without the right to copy, the reader can.
    getSelection().selectAllChildren(byId("replay"));
  }
});

const verdict = byId("verdict");
if (run.violation) {
  verdict.className = "bad";
  verdict.dataset.do = "violation";
  const id = document.createElement("b");
  id.textContent = `${run.violation.invariant} broken at ${instant(run.violation.at_ns)}`;
  verdict.append(id, ` ${run.violation.text}`);
} else {
  verdict.className = "good";
  verdict.disabled = true;
  verdict.textContent = "No invariant broken";
  document.querySelector(".tools [data-do=violation]").hidden = true;
}

const body = document.querySelector("#events tbody");
events.forEach((event) => {
  event.words = `${event.who} ${event.what} ${event.why} ${instant(event.at)}`.toLowerCase();
});

function fill() {
  const wanted = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kinds = new Set(
    [...document.querySelectorAll("#filter [type=checkbox]")]
      .filter((box) => box.checked)
      .map((box) => box.value),
  ).add("violation");
  const found = events.filter(
    (event) => kinds.has(event.kind) && wanted.every((word) => event.words.includes(word)),
  );
  body.innerHTML = found
    .slice(0, ROWS_MAX)
    .map(
      (event) =>
        `<tr data-kind="${event.kind}" class="m-${event.mark}"><td><button type="button" ` +
        `data-key="${event.key}" data-at="${event.at}">${instant(event.at)}</button></td>` +
        `<td>${escaped(event.who)}</td><td><i class="k-${event.mark}"></i>` +
        `${escaped(event.what)}</td><td>${escaped(event.why)}</td></tr>`,
    )
    .join("");
  byId("none").hidden = found.length > 0;
  byId("count").textContent =
    found.length > ROWS_MAX
      ? `the first ${ROWS_MAX} of ${found.length}`
      : `${found.length} of ${events.length}`;
}
byId("filter").addEventListener("input", fill);
byId("filter").addEventListener("submit", (event) => event.preventDefault());
body.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  choose(button.dataset.key, Number(button.dataset.at));
  plot.scrollIntoView({ block: "nearest" });
});
fill();

document.body.classList.toggle("empty", run.nodes.length === 0);
drawOverview();
// Not held, so that the pointer tells of other things at once.
if (run.violation) showViolation(false);
else showDetails(null, run.end_ns, false);
draw();
new ResizeObserver(() => {
  drawOverview();
  later();
}).observe(plot);
