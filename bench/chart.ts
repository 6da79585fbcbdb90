/** One bar: how many times the CPU of `bare` a request takes. */
interface Bar {
  readonly scenario: string;
  readonly server: string;
  readonly ratio: number;
}

const TITLES: Record<string, string> = {
  open: 'a login, open app',
  'token-and-rules': 'an invite, token and rules',
  'always-another': 'always another client and conversation',
  'new-tokens': 'always a token never seen before',
  '500-members': 'an invite of 500 members',
  nest: 'an empty Nest handler',
  express: 'Express 5, no checks',
};

const [LEFT, BAR, ROW, TOP, UNIT] = [290, 16, 26, 44, 62];

/** The table of RESULTS.md as an SVG of bars: of each server but `bare`, in the scenarios that have a title. */
export function chartOf(results: string): string {
  const bars = barsIn(results);
  const [width, height] = [740, TOP + bars.length * ROW + 12];
  const rows = bars.map(({ scenario, server, ratio }, i) => {
    const y = TOP + i * ROW;
    const [colour, title] = server === 'im-signature' ? ['#2563eb', TITLES[scenario]] : ['#9ca3af', TITLES[server]];
    return `  <text x="${LEFT - 10}" y="${y + 13}" text-anchor="end">${title}</text>
  <rect x="${LEFT}" y="${y}" width="${(ratio * UNIT).toFixed(1)}" height="${BAR}" rx="2" fill="${colour}"/>
  <text x="${(LEFT + ratio * UNIT + 8).toFixed(1)}" y="${y + 13}">${ratio}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13" fill="#6b7280" role="img">
  <title>CPU per request, as a ratio to a bare Node.js server</title>
  <text x="${LEFT}" y="20">CPU per request; a bare node:http server with the same HMAC is 1</text>
  <path d="M${LEFT + UNIT} ${TOP - 12}V${height - 8}" stroke="#9ca3af" stroke-dasharray="3 3"/>
${rows.join('\n')}
</svg>
`;
}

function barsIn(results: string): Bar[] {
  const rows = results.matchAll(/^\| (\S+) \| (\S+) \| \S+ \| ([\d.]+) .*$/gm);
  const bars = [...rows].map(([, scenario = '', server = '', ratio]) => ({ scenario, server, ratio: Number(ratio) }));
  return bars.filter(({ scenario, server }) => scenario in TITLES && server !== 'bare');
}
