import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { recordSecret } from './recorded.js';

/** What tokens are signed with; a secret has no public half. */
export interface TokenKey {
  readonly alg: string;
  readonly kid?: string;
  readonly sign: CryptoKey | Uint8Array;
}

export interface KeyPair extends TokenKey {
  readonly sign: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

/** A fresh pair of keys; one without `kid` is published without. */
export async function makeKey(alg: string, kid?: string): Promise<KeyPair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  recordSecret((await exportJWK(privateKey)).d ?? '');
  const named = kid === undefined ? {} : { kid };
  return {
    alg,
    ...named,
    sign: privateKey,
    publicKey,
    jwk: { ...(await exportJWK(publicKey)), ...named, alg, use: 'sig' },
  };
}

export function secretKey(secret: string, alg = 'HS256'): TokenKey {
  recordSecret(secret);
  return { alg, sign: new TextEncoder().encode(secret) };
}

/** Seconds since 1970, this many from now. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** A token for a client, good for five minutes; a claim that is given as undefined is left out. */
export async function tokenFor(
  key: TokenKey,
  clientId: unknown,
  claims: Record<string, unknown> = {},
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  const { alg, kid, sign } = key;
  const all = { sub: clientId, exp: inSeconds(300), ...claims };
  const token = await new SignJWT(JSON.parse(JSON.stringify(all)) as Record<string, unknown>)
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }), ...header })
    .sign(sign);
  recordSecret(token);
  return token;
}

/** What looks like a token, with these parts: unsigned, or with whatever is given as its signature. */
export function compact(header: object, payload: unknown, signature = ''): string {
  const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode(header)}.${encode(payload)}.${signature}`;
}

/** A way to answer; `keys` is the JSON of the issuer's JWK Set. */
export type IssuerAnswer = (response: ServerResponse, keys: string) => void;

const answerKeys: IssuerAnswer = (response, keys) => {
  response.setHeader('content-type', 'application/json').end(keys);
};

/** Leads there, where the keys are if it is a path of this issuer. */
export function redirectTo(location: string): IssuerAnswer {
  return (response, keys) => {
    if (response.req.url === location) answerKeys(response, keys);
    else response.writeHead(302, { location }).end();
  };
}

export function text(body: string): IssuerAnswer {
  return (response) => {
    response.end(body);
  };
}

function* padded(keys: string): Generator<string> {
  yield keys;
  for (let i = 0; i < 100; i++) yield ' '.repeat(1_000_000);
}

export const answers = {
  nothing: () => undefined,
  /** The head and half of the body, and then nothing. */
  half: (response, keys) => {
    response.write(keys.slice(0, keys.length / 2));
  },
  error500: (response, keys) => {
    response.writeHead(500).end(keys);
  },
  html: (response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Sign in</title>');
  },
  /** The keys, and 100 MB of the white space that JSON allows: nothing is wrong with it but the size. */
  hundredMegabytes: (response, keys) => {
    // The client hangs up, as it should.
    pipeline(Readable.from(padded(keys)), response).catch(() => undefined);
  },
  /** The same in some 100 kB, which unpack to it. */
  hundredMegabytesZipped: (response, keys) => {
    response.setHeader('content-encoding', 'gzip');
    pipeline(Readable.from(padded(keys)), createGzip(), response).catch(() => undefined);
  },
} satisfies Record<string, IssuerAnswer>;

export interface Issuer {
  /** Where the keys are. */
  readonly url: string;
  /** The path of every request that came. */
  readonly requests: string[];
  /** The `If-None-Match` of every request. */
  readonly conditions: (string | undefined)[];
  /** From now on the keys have this tag, and whoever knows it is told that they have not changed. */
  tag(etag: string): void;
  /** From now on these are the keys. */
  publish(...keys: readonly KeyPair[]): void;
  /** From now on every request is answered in this way; without one, with the keys. */
  answer(how?: IssuerAnswer): void;
  /** From now on requests wait, until what is returned is called. */
  hold(): () => void;
  /** Resolves when the next request has come. */
  asked(): Promise<unknown>;
  /** The server is gone: connections are refused. */
  die(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** An issuer of tokens that publishes its keys on this machine, and can fail as issuers do. */
export async function startIssuer(...keys: readonly KeyPair[]): Promise<Issuer> {
  let published = keys;
  let answer: IssuerAnswer = answerKeys;
  const requests: string[] = [];
  const conditions: (string | undefined)[] = [];
  let etag: string | undefined;
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    conditions.push(request.headers['if-none-match']);
    // A connection that is kept would fail in its own way when the server dies.
    response.setHeader('connection', 'close');
    if (etag !== undefined) response.setHeader('etag', etag);
    if (etag !== undefined && request.headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return;
    }
    answer(response, JSON.stringify({ keys: published.map(({ jwk }) => jwk) }));
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    requests,
    conditions,
    tag(next) {
      etag = next;
    },
    publish(...next) {
      published = next;
    },
    answer(how = answerKeys) {
      answer = how;
    },
    hold() {
      const waiting: (() => void)[] = [];
      answer = (response, json) =>
        void waiting.push(() => {
          answerKeys(response, json);
        });
      return () => {
        answer = answerKeys;
        for (const go of waiting) go();
      };
    },
    asked: () => once(server, 'request'),
    async die() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
    comeBack: () => listen(port),
    async close() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
