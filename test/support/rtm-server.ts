import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';
import { type WebSocket, WebSocketServer } from 'ws';
import { type SpecAction, specMessage } from './spec.js';

/**
 * The other side of the contract: a double of the IM server, for an unmodified LeanCloud SDK to talk to.
 * It shares no code with the service: it builds each message from the specification and what came over the wire,
 * computes the HMAC with the app's master key, and refuses as the real server does when the two differ.
 */
export interface RtmServer {
  /** Both http (`GET /v1/route`) and websocket, on 127.0.0.1. */
  readonly port: number;
  /** The operations whose signature was right, in order, as `session/open` or `conv/add`. */
  readonly accepted: string[];
  /** The operations that were answered with an error, in order. */
  readonly refused: { operation: string; code: number }[];
  /** Drops the connections, as a network does; the SDK connects again by itself. */
  drop(): void;
  /** What the REST call `POST /1.2/rtm/clients/<id>/kick` does: ends the client's sessions, and its session tokens with them. */
  kick(clientId: string): void;
  close(): Promise<void>;
}

/** A `GenericCommand` as decoded: enums by name, int64 as decimal digits, repeated fields always present. */
interface Command {
  cmd: string;
  op?: string;
  i?: number;
  appId?: string;
  peerId?: string;
  sessionMessage?: SignatureFields;
  convMessage?: SignatureFields & { cid?: string; m: string[]; where?: { data: string } };
  blacklistMessage?: SignatureFields & { srcCid?: string; toPids: string[] };
}

interface SignatureFields {
  t?: string;
  n?: string;
  s?: string;
  /** A session token, in place of the signature. */
  st?: string;
}

interface Rule {
  code: number;
  reason: string;
  action: SpecAction;
}

const loginFailed = { code: 4102, reason: 'SIGNATURE_FAILED' };
const conversationFailed = { code: 4302, reason: 'CONVERSATION_SIGNATURE_FAILED' };
// The documents have the code, and no name for it.
const blacklistFailed = { code: 4546, reason: '4546' };

/** The operations that need a signature, each with what is signed and the error that a wrong one gets. */
const rules: Partial<Record<string, Rule>> = {
  'session/open': { ...loginFailed, action: 'login' },
  'conv/start': { ...conversationFailed, action: 'conversion' },
  'conv/add': { ...conversationFailed, action: 'invite' },
  'conv/remove': { ...conversationFailed, action: 'kick' },
  'blacklist/block': { ...blacklistFailed, action: 'conversation-block-clients' },
  'blacklist/unblock': { ...blacklistFailed, action: 'conversation-unblock-clients' },
};

const LONGEST_AGE_MS = 6 * 3600 * 1000;
/** Seconds, as in the SDK's own tests. */
const SESSION_TOKEN_TTL = 3_600;

// 5.x ships no protocol file of its own; its compiled copy differs only by fields that nothing here reads.
const protocolFile = createRequire(import.meta.url).resolve('leancloud-realtime/proto/message.proto');
const genericCommand = protobuf.loadSync(protocolFile).lookupType('push_server.messages2.GenericCommand');

class Refusal extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/** Starts the double for one app. It knows no client, and no conversation, until it is told of one. */
export async function startRtmServer(options: { appId: string; masterKey: string }): Promise<RtmServer> {
  const { appId, masterKey } = options;
  const accepted: string[] = [];
  const refused: RtmServer['refused'] = [];
  const conversations = new Map<string, Set<string>>();
  const sessionTokens = new Map<string, string>();
  const sessions = new Map<WebSocket, Set<string>>();

  function checkSignature(name: string, client: string, command: Command): void {
    const rule = rules[name];
    if (!rule) return;
    const { sessionMessage, convMessage, blacklistMessage } = command;
    const { t: timestamp, n: nonce, s: signature } = sessionMessage ?? convMessage ?? blacklistMessage ?? {};
    if (timestamp === undefined || nonce === undefined || signature === undefined) {
      throw new Refusal(rule.code, rule.reason);
    }
    const m = convMessage?.m ?? blacklistMessage?.toPids ?? [];
    const message = specMessage(rule.action, {
      app_id: appId,
      client_id: client,
      conversion_id: convMessage?.cid ?? blacklistMessage?.srcCid ?? '',
      // The SDKs send them as the app wrote them; the order that is signed is by UTF-16 code unit.
      sorted_member_ids: [...m].sort().join(':'),
      timestamp,
      nonce,
    });
    const expected = createHmac('sha1', masterKey).update(message).digest('hex');
    // Seconds until the year 5138, milliseconds since 1973.
    const signedAt = Number(timestamp) < 1e11 ? Number(timestamp) * 1000 : Number(timestamp);
    if (signature !== expected || Date.now() - signedAt > LONGEST_AGE_MS) {
      throw new Refusal(rule.code, rule.reason);
    }
    accepted.push(name);
  }

  function membersOf(conversation: string): Set<string> {
    const members = conversations.get(conversation);
    if (!members) throw new Refusal(4303, 'CONVERSATION_NOT_FOUND');
    return members;
  }

  /** `clients` are those logged in on this connection; the first may leave its id out of its commands. */
  function perform(name: string, command: Command, clients: Set<string>): object {
    const client = command.peerId ?? [...clients][0];
    const { cid = '', m = [], where } = command.convMessage ?? {};
    if (name === 'session/open' && command.appId !== appId) throw new Refusal(4100, 'APP_NOT_AVAILABLE');
    if (client === undefined || (name !== 'session/open' && !clients.has(client))) {
      throw new Refusal(4105, 'SESSION_REQUIRED');
    }
    const { st: sessionToken } = command.sessionMessage ?? {};
    if (sessionToken === undefined) checkSignature(name, client, command);
    else if (sessionTokens.get(sessionToken) !== client) throw new Refusal(4112, 'SESSION_TOKEN_EXPIRED');
    switch (name) {
      case 'session/open': {
        clients.add(client);
        const st = randomBytes(8).toString('hex');
        sessionTokens.set(st, client);
        const sessionMessage = { st, stTtl: SESSION_TOKEN_TTL };
        return { op: 'opened', peerId: client, serverTs: Date.now(), sessionMessage };
      }
      case 'session/close':
        clients.delete(client);
        return { op: 'closed', sessionMessage: {} };
      case 'conv/start': {
        const id = randomBytes(12).toString('hex');
        conversations.set(id, new Set(m));
        return { op: 'started', convMessage: { cid: id, cdate: new Date().toISOString() } };
      }
      case 'conv/query': {
        const { objectId } = JSON.parse(where?.data ?? '{}') as { objectId?: string };
        const rows = [...conversations].filter(([id]) => id === objectId);
        const data = JSON.stringify(rows.map(([id, ids]) => ({ objectId: id, m: [...ids] })));
        return { op: 'results', convMessage: { results: { data } } };
      }
      case 'conv/add':
        for (const id of m) membersOf(cid).add(id);
        return { op: 'added', convMessage: { cid, allowedPids: m } };
      case 'conv/remove':
        for (const id of m) membersOf(cid).delete(id);
        return { op: 'removed', convMessage: { cid, allowedPids: m } };
      case 'blacklist/block':
        return { op: 'blocked', blacklistMessage: { allowedPids: command.blacklistMessage?.toPids } };
      case 'blacklist/unblock':
        return { op: 'unblocked', blacklistMessage: { allowedPids: command.blacklistMessage?.toPids } };
      default:
        throw new Refusal(4200, `${name} is not in this double`);
    }
  }

  function answer(command: Command, clients: Set<string>): object {
    const name = `${command.cmd}/${command.op ?? ''}`;
    try {
      return { cmd: command.cmd, ...perform(name, command, clients) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, reason } = error;
      refused.push({ operation: name, code });
      return { cmd: 'error', errorMessage: { code, reason } };
    }
  }

  const http = createServer((request, response) => {
    if (!request.url?.startsWith('/v1/route?')) {
      response.writeHead(404).end();
      return;
    }
    const server = `ws://127.0.0.1:${port}`;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ server, secondary: server, ttl: 3600 }));
  });
  const sockets = new WebSocketServer({
    server: http,
    handleProtocols: (offered) => [...offered].find((one) => /^lc\.protobuf2\.\d$/.test(one)) ?? false,
  });
  sockets.on('connection', (socket) => {
    const clients = new Set<string>();
    sessions.set(socket, clients);
    socket.on('close', () => sessions.delete(socket));
    socket.on('message', (data) => {
      const decoded = genericCommand.decode(data as Buffer);
      const command = genericCommand.toObject(decoded, { enums: String, longs: String, arrays: true }) as Command;
      const reply = genericCommand.fromObject({ ...answer(command, clients), i: command.i });
      socket.send(genericCommand.encode(reply).finish());
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  return {
    port,
    accepted,
    refused,
    drop() {
      for (const socket of sockets.clients) socket.terminate();
    },
    kick(clientId) {
      for (const [token, owner] of sessionTokens) if (owner === clientId) sessionTokens.delete(token);
      for (const [socket, clients] of sessions) {
        if (!clients.delete(clientId)) continue;
        const sessionMessage = { code: 4115, reason: 'KICKED_BY_APP' };
        const told = genericCommand.fromObject({
          cmd: 'session',
          op: 'closed',
          peerId: clientId,
          appId,
          sessionMessage,
        });
        socket.send(genericCommand.encode(told).finish());
      }
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
}
