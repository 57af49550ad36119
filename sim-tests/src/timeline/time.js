// Times in words. Everything is in nanoseconds.
const UNITS = [
  ["s", 1e9],
  ["ms", 1e6],
  ["µs", 1e3],
  ["ns", 1],
];
const MINUTE = 60e9,
  HOUR = 60 * MINUTE;

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

// A length of time in the unit that suits it, to six digits.
function duration(ns) {
  if (ns >= MINUTE) return clock(ns);
  const [name, unit] = UNITS.find(([, unit]) => ns >= unit) ?? UNITS[3];
  const whole = Math.floor(ns / unit).toString().length;
  return `${trimmed((ns / unit).toFixed(Math.max(0, 6 - whole)))} ${name}`;
}

// The same to two digits.
const rough = (ns) => duration(Number(ns.toPrecision(2)));

// Minutes and hours, for what is longer than a minute.
function clock(ns) {
  const hours = Math.floor(ns / HOUR);
  const minutes = Math.floor((ns % HOUR) / MINUTE);
  const seconds = trimmed(((ns % MINUTE) / 1e9).toFixed(3));
  return (
    [hours && `${hours} h`, minutes && `${minutes} min`, seconds !== "0" && `${seconds} s`]
      .filter(Boolean)
      .join(" ") || "0 s"
  );
}

// A point in time, to the nanosecond, as logs have it.
function instant(ns) {
  const [whole, part] = (ns / 1e9).toFixed(9).split(".");
  return `${whole}.${part.slice(0, 3)}${trimmed("." + part.slice(3)).slice(1)} s`;
}

// The distance between ticks: the least of the usual ones that leaves room for labels.
function tickStep(least) {
  if (least > 30e9) {
    const usual = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440].map((minutes) => minutes * MINUTE);
    return usual.find((step) => step >= least) ?? Math.ceil(least / (24 * HOUR)) * 24 * HOUR;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least * 0.999);
}

// The ticks of [from, to]. Where absolute times would be too long to read, they count from `base`.
function ticks(from, to, least) {
  const step = tickStep(least);
  const places = Math.max(0, Math.ceil(-Math.log10(step / 1e9) - 1e-9));
  const long = to >= MINUTE && step < 1e9 ? 3 : 5;
  let base = 0,
    label;
  if (places > long || (to < 1e9 && to - from > to / 10)) {
    const power = 10 ** Math.ceil(Math.log10(to - from));
    base = Math.max(0, Math.floor(from / power) * power);
    label = (t) => (base ? "+" : "") + duration(Math.abs(t - base));
  } else if (step >= MINUTE) {
    label = clock;
  } else {
    label = (t) => `${(t / 1e9).toFixed(places)} s`;
  }
  const out = [];
  for (let i = Math.max(0, Math.ceil(from / step)); i * step <= to; i++) {
    out.push({ at: i * step, text: label(i * step) });
  }
  return { base, ticks: out, step };
}
