// Registers, logs in, creates an offer, reads it, and receives a new one: with fetch and graphql-ws.
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

/** Runs a document and returns its data; throws the errors of the response. */
async function run<Data>(service: string, query: string, variables: object, token?: string): Promise<Data> {
  const response = await fetch(`${service}/graphql`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json',
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: Failure[] };
  if (errors) throw new Error(errors.map(({ message, extensions }) => `${extensions.code}: ${message}`).join('\n'));
  return data;
}

const CREATE_OFFER = 'mutation ($input: CreateOfferInput!) { createOffer(input: $input) { title } }';

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
await run(offers, CREATE_OFFER, { input: bicycle }, accessToken);
console.log('created an offer: Bicycle');

const { user } = await run<{ user: { offers: Offer[] } }>(
  users,
  'query ($id: ID!) { user(id: $id) { offers { title } } }',
  { id: userId },
);
console.log('read:', user.offers.map(({ title }) => title).join(', '));

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
// Queries and mutations run on the same socket, in order.
const lamp = { userId, title: 'Lamp', text: 'Shines like new.' };
await socket.iterate({ query: CREATE_OFFER, variables: { input: lamp } }).next();
const event = await created.next();
console.log('received:', event.value?.data?.offerCreated.title);
await socket.dispose();
