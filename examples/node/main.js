// Logs in, opens a conversation and leaves it; the service signs each step. In the repository:
//   npm ci && npm run build:client && npm start
//   RTM_SERVER=wss://rtm.example.com node examples/node/main.js
import { createSignatureFactories } from 'im-signature-client';
import leancloud from 'leancloud-realtime';

const {
  SERVICE = 'http://127.0.0.1:3000',
  RTM_SERVER = 'ws://127.0.0.1:8080',
  APP_ID = '1',
  APP_KEY = 'app-key',
  CLIENT_ID = 'alice',
  TOKEN,
} = process.env;

const realtime = new leancloud.Realtime({
  appId: APP_ID,
  appKey: APP_KEY,
  server: new URL(RTM_SERVER).host,
  RTMServers: RTM_SERVER,
  ssl: RTM_SERVER.startsWith('wss:'),
});
const factories = createSignatureFactories({
  baseUrl: SERVICE,
  appId: APP_ID,
  // An app that asks for no tokens has none.
  ...(TOKEN && { getToken: () => TOKEN }),
  onRefusal: ({ message, request_id }) => console.error(message, request_id ?? ''),
});

try {
  const client = await realtime.createIMClient(CLIENT_ID, factories);
  const conversation = await client.createConversation({ members: ['bob'], unique: false });
  console.log(`${client.id} opened ${conversation.id} with ${conversation.members.join(', ')}`);
  await conversation.quit();
  await client.close();
} catch {
  // `onRefusal` has said why, or the SDK has.
  process.exitCode = 1;
}
realtime.pause();
