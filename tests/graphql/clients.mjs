// What npm's own graphql-ws client sees.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { offer } from './api.mjs';

function connect(url, options = {}) {
  return createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...options });
}

/** Everything that an operation says. */
async function all(client, payload) {
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  return results;
}

/** What holds for users-api. */
export const users = {
  async 'a query knows whose token came with the connection'({ url, user }) {
    const client = connect(url, { connectionParams: { Authorization: `Bearer ${user.token}` } });
    assert.deepEqual(await all(client, { query: '{ me { id } }' }), [{ data: { me: { id: user.id } } }]);
    await client.dispose();
  },

  async 'a mutation runs, with variables'({ url, user }) {
    const client = connect(url, { connectionParams: { authorization: `Bearer ${user.token}` } });
    const query = `mutation Change($id: ID!, $input: UpdateUserInput!) {
      updateUser(id: $id, input: $input) { email }
    }`;
    const variables = { id: user.id, input: { email: 'new@example.com' } };
    const [result] = await all(client, { query, variables, operationName: 'Change' });
    assert.deepEqual(result, { data: { updateUser: { email: 'new@example.com' } } });
    await client.dispose();
  },

  async 'an error of a field comes with the data'({ url }) {
    const client = connect(url);
    const [result] = await all(client, { query: 'mutation { refresh(refreshToken: "bad") { accessToken } }' });
    assert.equal(result.data, null);
    assert.equal(result.errors[0].extensions.code, 'INVALID_TOKEN');
    await client.dispose();
  },

  async 'a document that cannot run is thrown'({ url }) {
    const client = connect(url);
    await assert.rejects(all(client, { query: '{ nothing }' }), ([error]) => {
      return error.extensions.code === 'GRAPHQL_VALIDATION_FAILED';
    });
    await client.dispose();
  },
};

/** What holds where there is a subscription: offers-api. */
export const streams = {
  async 'a subscriber hears of each new offer of the user, once and in order'({ url, address, user, other }) {
    const client = connect(url);
    const query = 'subscription ($id: ID) { offerCreated(userId: $id) { id title userId } }';
    const events = client.iterate({ query, variables: { id: user.id } });
    const made = [];
    const heard = [];
    const first = events.next().then(({ value }) => heard.push(value.data.offerCreated));
    // The protocol has no word for a subscription that has begun, so offers are made until one is heard.
    while (!heard.length) made.push(await offer(address, user, `own ${made.length}`));
    await first;
    const begin = made.findIndex(({ id }) => id === heard[0].id);
    for (let at = 0; at < 20; at += 1) {
      await offer(address, other, `other ${at}`);
      made.push(await offer(address, user, `own ${made.length}`));
    }
    const expected = made.slice(begin).map(({ id, title }) => ({ id, title, userId: user.id }));
    while (heard.length < expected.length) heard.push((await events.next()).value.data.offerCreated);
    assert.deepEqual(heard, expected);
    await events.return();
    await client.dispose();
  },
};

/** A client that is closed out comes again by itself, with a token that is fetched anew. */
export async function expiry({ url, login }) {
  let connections = 0;
  const closed = [];
  const client = connect(url, {
    retryAttempts: 3,
    retryWait: async () => {},
    shouldRetry: () => true,
    connectionParams: async () => {
      connections += 1;
      return { Authorization: `Bearer ${await login()}` };
    },
    on: { closed: ({ code }) => closed.push(code) },
    lazy: false,
    onNonLazyError: () => {},
  });
  const start = Date.now();
  while (connections < 2 && Date.now() - start < 20_000) await new Promise((done) => setTimeout(done, 20));
  assert.equal(connections, 2);
  assert.deepEqual(closed, [4403]);
  await client.dispose();
}

/** A service that ends says so. */
export async function goingAway({ url, child }) {
  const closed = new Promise((resolve) => {
    connect(url, {
      lazy: false,
      on: { connected: () => child.kill('SIGTERM'), closed: ({ code, reason }) => resolve({ code, reason }) },
      onNonLazyError: () => {},
    });
  });
  assert.deepEqual(await closed, { code: 1001, reason: 'Going away' });
}
