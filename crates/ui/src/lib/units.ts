// Times and units, rounded for people: `1.2 MB/s`, `43 ms`, `3 min ago`. The exact value belongs in a `title` beside it.
// No DOM; the reader's time zone and language come from `Intl`.

const unitsOfBytes = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

const two = (n: number): string => String(n).padStart(2, '0');

/** What a person would say: 1.2, 12, 128. */
const short = (n: number): string => String(Number(n.toFixed(Math.abs(n) >= 9.95 ? 0 : 1)));

export function bytes(n: number): string {
  let unit = 0;
  while (Math.abs(n) >= 999.5 && unit < unitsOfBytes.length - 1) {
    n /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? String(Math.round(n)) : short(n)} ${unitsOfBytes[unit]}`;
}

export const bytesPerSecond = (n: number): string => `${bytes(n)}/s`;

/** Records a second: `25/s`, `0.2/s`. */
export function perSecond(n: number): string {
  if (n >= 10_000) return `${short(n / 1000)} k/s`;
  return `${n >= 10 ? Math.round(n) : Number(n.toFixed(1))}/s`;
}

/** 12 345 with thin spaces, which no language mistakes for a decimal point. */
export function count(n: number): string {
  const digits = String(Math.abs(Math.trunc(n)));
  const grouped = digits.length > 4 ? digits.replace(/\B(?=(\d{3})+$)/g, '\u2009') : digits;
  return n < 0 ? `−${grouped}` : grouped;
}

/** A length of time: `43 ms`, `1.2 s`, `12 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function duration(ms: number): string {
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  const min = Math.round(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`;
  return `${Math.round(h / 24)} d`;
}

/** A place in a video as players say it: `0:07`, `12:30`, `1:02:03`. */
export function position(ms: number): string {
  const s = Math.floor(Math.max(0, ms) / 1000);
  const [h, min] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? `${h}:${two(min)}:${two(s % 60)}` : `${min}:${two(s % 60)}`;
}

/** The age of something, never finer than a person would say. */
export function ago(ms: number): string {
  if (ms < 1500) return 'now';
  if (ms < 99_500) return `${Math.round(ms / 1000)} s ago`;
  return `${duration(ms)} ago`;
}

/** `14:03:12`, or `14:03:12.345`, in the reader's time zone. */
export function clockTime(ms: number, withMs = false): string {
  const d = new Date(ms);
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return withMs ? `${time}.${String(d.getMilliseconds()).padStart(3, '0')}` : time;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The day a time falls on in the reader's time zone: `31 Jan`. */
export function dayOf(ms: number): string {
  const d = new Date(ms);
  return `${d.getDate()} ${months[d.getMonth()]}`;
}

/** A time as it is said on `now`'s day: the clock alone today, with the date before that. */
export function when(ms: number, now: number, withMs = false): string {
  const d = new Date(ms);
  const time = clockTime(ms, withMs);
  if (d.toDateString() === new Date(now).toDateString()) return time;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${time}`;
}

/** The exact time, for hovering and for pasting into `from=`. */
export function exactTime(ms: number): string {
  const d = new Date(ms);
  return Number.isNaN(d.getTime()) ? String(ms) : d.toISOString();
}

/** A measured value: four significant digits, no noughts behind a small one, tiny and huge ones with an exponent. */
export function value(v: number): string {
  if (!Number.isFinite(v)) return String(v);
  if (v === 0) return '0';
  const size = Math.abs(v);
  if (size >= 1e7 || size < 1e-4) return v.toExponential(2).replace('-', '−');
  if (Number.isInteger(v)) return count(v);
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  const text = v.toFixed(Math.min(digits, 6)).replace('-', '−');
  // Those of greater ones stay, so that a number does not jump about as it changes.
  return size < 0.1 ? text.replace(/0+$/, '') : text;
}

/** Windows of time as they stand in addresses: `10s`, `5m`, `1h`. Null where it is none. */
export function parseWindow(text: string | null): number | null {
  const match = /^(\d{1,6})(s|m|h)$/.exec(text ?? '');
  if (!match) return null;
  const unit = { s: 1, m: 60, h: 3600 }[match[2] as 's' | 'm' | 'h'];
  return Number(match[1]) * unit;
}

/** A window as addresses say it; the other way round than `parseWindow`. */
export function formatWindow(window_s: number): string {
  if (window_s % 3600 === 0) return `${window_s / 3600}h`;
  return window_s % 60 === 0 ? `${window_s / 60}m` : `${window_s}s`;
}

/** A length of time as commands take it, in ms: `500ms`, `2s`, `1m`. Null where it is none. */
export function parseSpan(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text);
  if (!match) return null;
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h'];
}
