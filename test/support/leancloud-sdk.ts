import { createRequire } from 'node:module';

/** What a signature factory returns, or resolves to: `timestamp` an integer, in milliseconds or seconds. */
export interface Signature {
  signature: string;
  timestamp: number;
  nonce: string;
}

/** The second argument of `createIMClient`, as far as signatures go. */
export interface SignatureFactories {
  signatureFactory?: (clientId: string) => Promise<Signature> | Signature;
  /**
   * `conversationId` is null for `create`; 4.x calls the other actions `add` and `remove`, 5.x `invite` and
   * `kick`. (The declarations that 4.x ships name the first two arguments the wrong way round.)
   */
  conversationSignatureFactory?: (
    conversationId: string | null,
    clientId: string,
    memberIds: string[],
    action: string,
  ) => Promise<Signature> | Signature;
  /** 4.x gives the client's id first, 5.x the conversation's. */
  blacklistSignatureFactory?: (
    first: string,
    second: string,
    memberIds: string[],
    action: string,
  ) => Promise<Signature> | Signature;
}

export interface Conversation {
  readonly id: string;
  readonly members: string[];
  add(clientIds: string[]): Promise<{ successfulClientIds: string[] }>;
  remove(clientIds: string[]): Promise<{ successfulClientIds: string[] }>;
  join(): Promise<this>;
  quit(): Promise<this>;
  blockMembers(clientIds: string[]): Promise<{ successfulClientIds: string[] }>;
  unblockMembers(clientIds: string[]): Promise<{ successfulClientIds: string[] }>;
}

export interface ImClient extends NodeJS.EventEmitter {
  readonly id: string;
  createConversation(options: { members: string[] }): Promise<Conversation>;
  getConversation(id: string): Promise<Conversation | null>;
  close(): Promise<void>;
}

export interface Realtime {
  createIMClient(clientId: string, options?: SignatureFactories): Promise<ImClient>;
  /** Goes offline: no socket, no timer, no attempt to connect again. */
  pause(): void;
}

interface Sdk {
  Realtime: new (options: Record<string, unknown>) => Realtime;
}

const require = createRequire(import.meta.url);

/** A second device each time: 5.x makes one `Realtime` per app and process, so the module is loaded anew. */
function load(name: string): Sdk {
  const file = require.resolve(name);
  Reflect.deleteProperty(require.cache, file);
  return require(file) as Sdk;
}

/** The SDKs that are tried, unmodified, each with how it is pointed at a server of one's own (127.0.0.1). */
export const sdks = [
  {
    name: 'leancloud-realtime 4.3.1',
    connect: (appId: string, port: number): Realtime => {
      const server = `127.0.0.1:${port}`;
      // Its router is always https, so the websocket is named; without `server` it would ask a public router.
      const options = { appId, appKey: 'app-key', ssl: false, RTMServers: `ws://${server}`, server };
      return new (load('leancloud-realtime').Realtime)(options);
    },
  },
  {
    name: 'leancloud-realtime 5.0.0-rc.8',
    connect: (appId: string, port: number): Realtime =>
      new (load('leancloud-realtime-5').Realtime)({ appId, appKey: 'app-key', server: `http://127.0.0.1:${port}` }),
  },
];
