// Register, log in, offer, read back, and hear of a new offer: with fetch and graphql-ws.
import { randomUUID } from 'node:crypto';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const users = process.env.USERS_URL ?? 'http://127.0.0.1:8001';
const offers = process.env.OFFERS_URL ?? 'http://127.0.0.1:8002';

interface Failure {
  message: string;
  extensions: { code: string };
}

interface Offer {
  title: string;
}

/** Runs a document; a failure tells what the service said of it. */
async function run<Data>(service: string, query: string, variables: object, token?: string): Promise<Data> {
  const answer = await fetch(`${service}/graphql`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json',
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await answer.json()) as { data: Data; errors?: Failure[] };
  if (errors) throw new Error(errors.map(({ message, extensions }) => `${extensions.code}: ${message}`).join('\n'));
  return data;
}

const CREATE = 'mutation ($input: CreateOfferInput!) { createOffer(input: $input) { title } }';

const username = `story-${randomUUID().slice(0, 13)}`;
const password = '7 quiet herons';
await run(users, 'mutation ($input: RegisterInput!) { register(input: $input) { id } }', {
  input: { username, password, email: `${username}@example.org` },
});
console.log('registered', username);

const { authenticate } = await run<{ authenticate: { userId: string; accessToken: string } }>(
  users,
  'mutation ($input: AuthenticateInput!) { authenticate(input: $input) { userId accessToken } }',
  { input: { username, password } },
);
const { userId, accessToken } = authenticate;
console.log('logged in as user', userId);

const bicycle = { userId, title: 'Bicycle', text: 'As good as new.' };
await run(offers, CREATE, { input: bicycle }, accessToken);
console.log('offered a bicycle');

const { user } = await run<{ user: { offers: Offer[] } }>(
  users,
  'query ($id: ID!) { user(id: $id) { offers { title } } }',
  { id: userId },
);
console.log('read back:', user.offers.map(({ title }) => title).join(', '));

const socket = createClient({
  url: `${offers.replace('http', 'ws')}/graphql/ws`,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${accessToken}` },
  lazy: false,
  retryAttempts: 0,
});
const created = socket.iterate<{ offerCreated: Offer }>({
  query: 'subscription ($user: ID) { offerCreated(userId: $user) { title } }',
  variables: { user: userId },
});
// Queries and mutations run on the same socket, after what was asked before them.
const lamp = { userId, title: 'Lamp', text: 'Shines like new.' };
await socket.iterate({ query: CREATE, variables: { input: lamp } }).next();
const event = await created.next();
console.log('heard of:', event.value?.data?.offerCreated.title);
await socket.dispose();
