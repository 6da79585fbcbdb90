import { isIP } from 'node:net';

/** What a proxy says of its client and is no IP address is cut to this. */
const MAX_LENGTH = 64;

/**
 * What one client has for itself of an address: an IPv4 address, or the first 64 bits of one of IPv6, where the rest is the client's to
 * choose.
 *
 * @param address as a socket has it, or as proxies write it: with a port, or in brackets.
 */
export function networkOf(address: string): string {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+)(?::\d+)?$/.exec(address)?.[1] ?? address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(bare) !== 6) return bare.slice(0, MAX_LENGTH);
  const [left = [], right] = bare.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = right === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  const groups = [...left, ...zeros, ...(right ?? [])].slice(0, 4);
  return groups.map((group) => parseInt(group, 16).toString(16)).join(':');
}
