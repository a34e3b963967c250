// The rules of graphql-transport-ws, checked with a raw client. Each function is one check.
import assert from 'node:assert/strict';
import { connect } from './raw_client.mjs';

const TYPENAME_QUERY = '{ __typename }';

const assertClosed = async (client, code) => assert.equal((await client.closed()).code, code);

/** Rules for every service: `url` is the address of its sockets, `token` an access token. */
export const protocolRules = {
  async 'an unsupported subprotocol closes the socket with 4406'({ url }) {
    for (const protocols of [null, 'graphql-ws', ['other', 'another']]) {
      await assertClosed(connect(url, { protocols }), 4406);
    }
    await connect(url, { protocols: ['graphql-ws', 'graphql-transport-ws'] }).init();
  },

  async 'a malformed message closes the socket with 4400'({ url }) {
    const messages = [
      'not JSON',
      '[]',
      { type: 'start', id: '1', payload: { query: TYPENAME_QUERY } },
      { type: 'next', id: '1', payload: {} },
      { type: 'connection_init', payload: 'text' },
      { type: 'subscribe', id: '1', payload: {} },
      { type: 'subscribe', payload: { query: TYPENAME_QUERY } },
      { type: 'subscribe', id: '1', payload: { query: TYPENAME_QUERY, variables: 'text' } },
    ];
    for (const message of messages) {
      const client = connect(url);
      await client.send(message);
      await assertClosed(client, 4400);
    }
  },

  async 'an operation before connection_init closes the socket with 4401'({ url }) {
    const client = connect(url);
    await client.subscribe('1', TYPENAME_QUERY);
    assert.deepEqual(await client.closed(), { code: 4401, reason: 'Unauthorized' });
  },

  async 'an invalid token closes the socket with 4403'({ url }) {
    const client = connect(url);
    await client.send({ type: 'connection_init', payload: { Authorization: 'Bearer bad' } });
    assert.deepEqual(await client.closed(), { code: 4403, reason: 'Forbidden' });
  },

  async 'a second connection_init closes the socket with 4429'({ url }) {
    const client = await connect(url).init();
    await client.send({ type: 'connection_init' });
    assert.deepEqual(await client.closed(), { code: 4429, reason: 'Too many initialisation requests' });
  },

  async 'a ping returns a pong with its payload, also before connection_init'({ url }) {
    const client = connect(url);
    await client.send({ type: 'ping', payload: { n: 1 } });
    assert.deepEqual(await client.receive(), { type: 'pong', payload: { n: 1 } });
    await client.init();
    await client.send({ type: 'pong' });
    await client.send({ type: 'ping' });
    assert.deepEqual(await client.receive(), { type: 'pong' });
    client.close();
  },

  async 'a query returns next and complete, and its id can be reused'({ url }) {
    const client = await connect(url).init();
    for (let round = 0; round < 2; round += 1) {
      await client.subscribe('1', TYPENAME_QUERY);
      const payload = { data: { __typename: 'Query' } };
      assert.deepEqual(await client.receive(), { id: '1', type: 'next', payload });
      assert.deepEqual(await client.receive(), { id: '1', type: 'complete' });
    }
    client.close();
  },

  async 'an invalid document returns error with a code, and no complete'({ url }) {
    const client = await connect(url).init();
    const cases = { '{': 'GRAPHQL_PARSE_FAILED', '{ nothing }': 'GRAPHQL_VALIDATION_FAILED' };
    for (const [query, code] of Object.entries(cases)) {
      await client.subscribe('1', query);
      const { id, type, payload } = await client.receive();
      assert.deepEqual([id, type, payload[0].extensions.code], ['1', 'error', code]);
    }
    await client.subscribe('1', TYPENAME_QUERY);
    assert.equal((await client.receive()).type, 'next');
    client.close();
  },

  async 'complete for an unknown id is ignored'({ url }) {
    const client = await connect(url).init();
    await client.send({ type: 'complete', id: 'unknown' });
    await client.send({ type: 'ping' });
    assert.equal((await client.receive()).type, 'pong');
    client.close();
  },

  async 'a message over 256 KiB closes the socket with 1009'({ url }) {
    const client = await connect(url).init();
    await client.send({ type: 'ping', payload: { text: 'x'.repeat(256 * 1024) } });
    await assertClosed(client, 1009);
  },

  async 'a valid token is accepted in connection_init and in the header'({ url, token }) {
    const authorization = `Bearer ${token}`;
    (await connect(url).init({ Authorization: authorization })).close();
    (await connect(url, { headers: { authorization } }).init()).close();
  },
};

/** Rules for subscriptions: `silent` is a subscription without events for now, `trigger` causes an event of it. */
export const subscriptionRules = {
  async 'an id in use closes the socket with 4409'({ url, silent }) {
    const client = await connect(url).init();
    await client.subscribe('1', silent);
    await client.subscribe('1', TYPENAME_QUERY);
    assert.deepEqual(await client.closed(), { code: 4409, reason: 'Subscriber for 1 already exists' });
  },

  async 'no event follows complete, and the id can be reused'({ url, silent, trigger }) {
    const client = await connect(url).init();
    await client.subscribe('1', silent);
    await client.send({ type: 'complete', id: '1' });
    await trigger();
    await client.subscribe('1', TYPENAME_QUERY);
    const payload = { data: { __typename: 'Query' } };
    assert.deepEqual(await client.receive(), { id: '1', type: 'next', payload });
    client.close();
  },

  async 'the 101st concurrent operation returns TOO_MANY_REQUESTS'({ url, silent }) {
    const client = await connect(url).init();
    for (let id = 0; id <= 100; id += 1) await client.subscribe(String(id), silent);
    const { id, type, payload } = await client.receive();
    assert.deepEqual([id, type, payload[0].extensions.code], ['100', 'error', 'TOO_MANY_REQUESTS']);
    client.close();
  },

  async 'a subscription with two root fields is invalid'({ url, silent }) {
    const client = await connect(url).init();
    await client.subscribe('1', silent.replace(/^subscription \{/, 'subscription { other: __typename'));
    assert.equal((await client.receive()).payload[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    client.close();
  },
};

/** Takes ten seconds, which is the time that a client has for connection_init. */
export async function missingInitialisation({ url }) {
  const start = Date.now();
  const { code, reason } = await connect(url).closed();
  assert.deepEqual([code, reason], [4408, 'Connection initialisation timeout']);
  const seconds = (Date.now() - start) / 1000;
  assert.ok(seconds > 1 && seconds < 12, `after ${seconds} s`);
}
