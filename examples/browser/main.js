// Logs in and opens a conversation; the service signs both. In the repository:
//   npm ci && npm run build:client && npm start
//   npx vite build examples/browser && npx vite preview examples/browser
import { createSignatureFactories } from 'im-signature-client';
import { Realtime } from 'leancloud-realtime';

const form = document.querySelector('form');
const output = document.querySelector('output');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { service, server, appId, clientId, token } = Object.fromEntries(new FormData(form));
  const ssl = server.startsWith('wss:');
  const realtime = new Realtime({ appId, appKey: 'app-key', server: new URL(server).host, RTMServers: server, ssl });
  const factories = createSignatureFactories({
    baseUrl: service,
    appId,
    // An app that asks for no tokens has none.
    ...(token && { getToken: () => token }),
  });
  try {
    const client = await realtime.createIMClient(clientId, factories);
    const conversation = await client.createConversation({ members: ['bob'] });
    output.textContent = `${client.id} opened ${conversation.id} with ${conversation.members.join(', ')}`;
  } catch (error) {
    output.textContent = error.message;
    realtime.pause();
  }
});
