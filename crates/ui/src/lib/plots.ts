// The five plots of a course on live data: what each asks, what feeds it, how a notebook reads the same. Their addresses are
// `/plots/1` to `/plots/5`; the parts in `pages/plots/` draw them.

import type { View } from './series/view';
import { routes } from './routes';
import * as units from './units';

/** What a plot is of; each stands in the address under its name, unless it is the usual one. */
export interface Chosen {
  topic: string;
  /** The series; the first there is where none is named. */
  series: string | null;
  /** Where the averages are. */
  average: string;
  /** The range the values are known to be in. */
  range: string;
  /** What takes longer than this from creation to arrival is late. */
  late: string;
}

export interface PlotPage {
  title: string;
  question: string;
  says: string;
  usual: Partial<Chosen>;
  commands: (chosen: Chosen) => { does: string; command: string }[];
  /** Lines of Python; `csv` says where a topic's numbers are read from, and which of them. */
  notebook: (chosen: Chosen, csv: (topic: string, series: string | null) => string) => string;
}

const read = (source: string): string => `pd.read_csv(${source}`;
const sensor = ({ topic }: Chosen, more = ''): string => `weir publish sensor --topic ${topic}${more}`;
const sensors = 'sensors';

export const plots: readonly PlotPage[] = [
  {
    title: 'Uniform arrival, known range',
    question: 'What is the value now, and how did it get there?',
    says: 'One number after another at an even pace, within a range that is known beforehand: a line on an axis that never changes.',
    usual: { topic: sensors, range: '0..100' },
    commands: (c) => [{ does: 'A sensor, five values a second:', command: sensor(c, ` --rate 5/s --range ${c.range}`) }],
    notebook: (c, csv) => `${read(csv(c.topic, c.series))}.plot(x="t_ms", y="value")`,
  },
  {
    title: 'Minimum and maximum',
    question: 'What were the least and the greatest value of the time that is shown?',
    says: 'Both are labelled where they stand. They change when a new value exceeds them, and also when they leave the window.',
    usual: { topic: sensors },
    commands: (c) => [{ does: 'A sensor, five values a second:', command: sensor(c, ' --rate 5/s') }],
    notebook: (c, csv) => `d = ${read(csv(c.topic, c.series))}\nd.plot(x="t_ms", y="value")\nd.loc[[d.value.idxmin(), d.value.idxmax()]]`,
  },
  {
    title: 'Bursty arrival',
    question: 'When was a value made, when did it come, and how long did it take?',
    says:
      'The same records twice: where they were made in time, and where they arrived. Below is the time between the two. The charts share their cursor and their zoom: the line marks one record in all three.',
    usual: { topic: 'bursty', late: '2s' },
    commands: (c) => [
      { does: 'A topic that keeps when its records arrived:', command: `weir topic create ${c.topic} --config message.timestamp.type=LogAppendTime` },
      { does: 'A sensor whose values are sent several at once:', command: sensor(c, ' --arrival bursty') },
    ],
    notebook: (c, csv) => `d = ${read(csv(c.topic, c.series))}\nd.assign(delay_ms=d.arrival_ms - d.t_ms).plot.scatter(x="arrival_ms", y="delay_ms")`,
  },
  {
    title: 'Moving average',
    question: 'Where is it going, without the noise?',
    says: 'The average of the last five values is a topic of its own, made by a processor from the first; each average stands at the time of the value that completed it.',
    usual: { topic: sensors, average: 'sensors-average' },
    commands: (c) => [
      { does: 'A sensor, five values a second:', command: sensor(c, ' --rate 5/s') },
      { does: 'The average of the last five of each sensor; --window 10s for a duration:', command: `weir process average --topic ${c.topic} --to ${c.average} --last 5` },
    ],
    notebook: (c, csv) =>
      `d = pd.concat([\n    ${read(csv(c.topic, c.series))},\n    ${read(csv(c.average, c.series && `${c.series}.average`))},\n])\nd.pivot_table(index="t_ms", columns="series", values="value").plot()`,
  },
  {
    title: 'Three producers and their average',
    question: 'What is the average of several producers at one and the same moment?',
    says:
      'Their values are aligned by event time: at each full second, each producer’s last value at or before it. A second counts once every producer has sent something at or after it, or 2 s behind the newest. A producer that has been silent for 10 s is left out, and the average is that of the others.',
    usual: { topic: 'sensors-combined' },
    commands: (c) => [
      { does: 'Three sensors:', command: `weir publish sensor --topic ${sensors} --producers 3 --rate 5/s` },
      { does: 'What they were at each full second, and their average:', command: `weir process combine --topic ${sensors} --to ${c.topic} --every 1s` },
    ],
    notebook: (c, csv) => `${read(csv(c.topic, null))}.pivot_table(index="t_ms", columns="series", values="value").plot(subplots=True)`,
  },
];

export function readChosen(query: URLSearchParams, { usual }: PlotPage): Chosen {
  const text = (name: keyof Chosen, otherwise: string): string => query.get(name) || (usual[name] ?? otherwise);
  return {
    topic: text('topic', sensors),
    series: query.get('series') || null,
    average: text('average', ''),
    range: text('range', ''),
    late: text('late', ''),
  };
}

/** The two numbers of `0..100`; null where it is no range. */
export function parseRange(text: string): { low: number; high: number } | null {
  const match = /^([-+.\deE]+)\.\.([-+.\deE]+)$/.exec(text);
  if (!match) return null;
  const [low, high] = [Number(match[1]), Number(match[2])];
  return Number.isFinite(low) && Number.isFinite(high) && low < high ? { low, high } : null;
}

/** Commands as they have to be typed for this Kafka. */
export const typed = (command: string, bootstrap: string): string =>
  bootstrap === '' || bootstrap === '127.0.0.1:9092' ? command : command.replace(/^weir /, `weir --bootstrap ${bootstrap} `);

/** What may lie between the making of a number and its record's time, by which the log is sought. */
const spare_ms = 60_000;

/** What a notebook asks for to get what is shown. */
export function notebook(page: PlotPage, chosen: Chosen, view: View, origin: string): string {
  const lines = page.notebook(chosen, (topic, series) => {
    if (view.live) return `"${origin}${routes.seriesCsv(topic, { window: units.formatWindow(view.window_ms / 1000) }, series)}")`;
    const { from_ms, to_ms } = view;
    const path = routes.seriesCsv(topic, { from_ms: from_ms - spare_ms, to_ms: to_ms + spare_ms }, series);
    return `"${origin}${path}").query("${from_ms} <= t_ms <= ${to_ms}")`;
  });
  return `import pandas as pd\n${lines}`;
}
