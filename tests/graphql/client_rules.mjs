// Checks with npm's own graphql-ws client. Each function is one check.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { createOffer } from './api.mjs';

function connect(url, options = {}) {
  return createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...options });
}

/** Resolves to all results of an operation. */
async function collectResults(client, payload) {
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  return results;
}

/** Checks of users-api. */
export const userRules = {
  async 'a query is authenticated by the token of connection_init'({ url, user }) {
    const client = connect(url, { connectionParams: { Authorization: `Bearer ${user.token}` } });
    assert.deepEqual(await collectResults(client, { query: '{ me { id } }' }), [{ data: { me: { id: user.id } } }]);
    await client.dispose();
  },

  async 'a mutation runs with variables'({ url, user }) {
    const client = connect(url, { connectionParams: { authorization: `Bearer ${user.token}` } });
    const query = `mutation Change($id: ID!, $input: UpdateUserInput!) {
      updateUser(id: $id, input: $input) { email }
    }`;
    const variables = { id: user.id, input: { email: 'new@example.com' } };
    const [result] = await collectResults(client, { query, variables, operationName: 'Change' });
    assert.deepEqual(result, { data: { updateUser: { email: 'new@example.com' } } });
    await client.dispose();
  },

  async 'a field error is returned with the data'({ url }) {
    const client = connect(url);
    const [result] = await collectResults(client, { query: 'mutation { refresh(refreshToken: "bad") { accessToken } }' });
    assert.equal(result.data, null);
    assert.equal(result.errors[0].extensions.code, 'INVALID_TOKEN');
    await client.dispose();
  },

  async 'an invalid document makes the client throw'({ url }) {
    const client = connect(url);
    await assert.rejects(collectResults(client, { query: '{ nothing }' }), ([error]) => {
      return error.extensions.code === 'GRAPHQL_VALIDATION_FAILED';
    });
    await client.dispose();
  },
};

/** Checks of subscriptions, which offers-api has. */
export const subscriptionRules = {
  async 'a subscriber receives each new offer of the user once, in order'({ url, address, user, other }) {
    const client = connect(url);
    const query = 'subscription ($id: ID) { offerCreated(userId: $id) { id title userId } }';
    const events = client.iterate({ query, variables: { id: user.id } });
    const created = [];
    const received = [];
    const first = events.next().then(({ value }) => received.push(value.data.offerCreated));
    // The protocol has no message for a subscription that has begun, so offers are created until one is received.
    while (!received.length) created.push(await createOffer(address, user, `own ${created.length}`));
    await first;
    const start = created.findIndex(({ id }) => id === received[0].id);
    for (let number = 0; number < 20; number += 1) {
      await createOffer(address, other, `other ${number}`);
      created.push(await createOffer(address, user, `own ${created.length}`));
    }
    const expected = created.slice(start).map(({ id, title }) => ({ id, title, userId: user.id }));
    while (received.length < expected.length) received.push((await events.next()).value.data.offerCreated);
    assert.deepEqual(received, expected);
    await events.return();
    await client.dispose();
  },
};

/** A client whose token has expired is disconnected, and reconnects with a new token. */
export async function reconnectsWithNewToken({ url, login }) {
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

/** A service that shuts down closes its sockets with 1001. */
export async function closesOnShutdown({ url, child }) {
  const closed = new Promise((resolve) => {
    connect(url, {
      lazy: false,
      on: { connected: () => child.kill('SIGTERM'), closed: ({ code, reason }) => resolve({ code, reason }) },
      onNonLazyError: () => {},
    });
  });
  assert.deepEqual(await closed, { code: 1001, reason: 'Going away' });
}
