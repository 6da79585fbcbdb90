/** The modes that pg knows. It takes another word in a URL for `verify-full`, and in PGSSLMODE for `disable`. */
const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
/** What pg knows of the parameter `ssl`; another word ends the process. */
const SSL = ['true', '1', '0', 'no-verify'];
const FORM = 'must have the form postgres://user:password@host:5432/database';

/**
 * The URL as all that read it take it: without blanks at its ends, such as a line break that a secret's file ends with, with a host, and
 * with a mode of TLS that says what pg does. pg 8 verifies the certificate in each mode that uses TLS, and warns at each start where the
 * mode is not called so.
 */
export function plainUrl(text: string): string {
  const url = withHost(text);
  // A mode does not count on a Unix socket (PostgreSQL, "Database Connection Control Functions", sslmode); for pg it would.
  if (isSocket(url)) {
    if (/[?&]sslmode=/.test(url)) return url.replace(/([?&]sslmode=)[^&]*/g, '$1disable');
    const isOpen = pgSslMode() === '' && !/[?&]ssl=/.test(url);
    return isOpen ? url : `${url}${url.includes('?') ? '&' : '?'}sslmode=disable`;
  }
  if (/[?&]uselibpqcompat=true(?=&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/g, '$1verify-full');
}

/** @throws {Error} that says what is wrong with the URL, or with what fills in what it leaves open, and never repeats it. */
export function parseDatabaseUrl(text: string): void {
  const plain = withHost(text);
  if (!URL.canParse(plain)) {
    const isCut = /^\w+:\/\/[^@]*[#/?][^@]*@/.test(text);
    throw new Error(isCut ? 'a #, / or ? in its user or password must be written %23, %2F or %3F' : FORM);
  }
  const { protocol, username, password, pathname, searchParams } = new URL(plain);
  if (!/^postgres(ql)?:$/.test(protocol) || pathname.length < 2) throw new Error(FORM);
  try {
    decodeURIComponent(username + password + pathname);
  } catch {
    throw new Error('a % in its user, password or database must be written %25');
  }
  const modes = searchParams.getAll('sslmode');
  const isMode = (mode: string) => TLS_MODES.includes(mode);
  if (!modes.every(isMode)) throw new Error(`its sslmode must be one of ${TLS_MODES.join(', ')}`);
  if (!searchParams.getAll('ssl').every((word) => SSL.includes(word))) {
    throw new Error('its ssl=… is not known; write sslmode=verify-full, no-verify or disable instead');
  }
  const isOpen = modes.length === 0 && !searchParams.has('ssl') && pgSslMode() !== '';
  if (isOpen && !isMode(pgSslMode())) throw new Error(`PGSSLMODE must be one of ${TLS_MODES.join(', ')}`);
}

/** Named by the host of the URL, or by its parameter, or by PGHOST where it has neither. */
function isSocket(url: string): boolean {
  if (/^postgres(?:ql)?:\/\/(?:[^/?]*@)?%2F|[?&]host=(?:\/|%2F)/i.test(url)) return true;
  return /^postgres(?:ql)?:\/\/\/(?!.*[?&]host=)/.test(url) && process.env.PGHOST?.startsWith('/') === true;
}

function pgSslMode(): string {
  return process.env.PGSSLMODE ?? '';
}

/** The URL of a Unix socket, `postgres://user:password@/database?host=/folder`, has no host; pg takes its parameter's, or else PGHOST. */
function withHost(text: string): string {
  const { PGHOST = '' } = process.env;
  const host = PGHOST === '' ? 'localhost' : encodeURIComponent(PGHOST);
  return text.trim().replace(/^(postgres(?:ql)?:\/\/[^/?]*@)(?=\/)/, (user) => user + host);
}
