// The rules of graphql-transport-ws, told to the server by a raw client. Each is a check of its own.
import assert from 'node:assert/strict';
import { open } from './raw.mjs';

const HELLO = '{ __typename }';

const closes = async (client, code) => assert.equal((await client.closed()).code, code);

/** What holds for every service. `url` is where its sockets are, `token` an access token. */
export const rules = {
  async 'a protocol that is not spoken is closed with 4406'({ url }) {
    for (const protocols of [null, 'graphql-ws', ['other', 'another']]) {
      await closes(open(url, { protocols }), 4406);
    }
    await open(url, { protocols: ['graphql-ws', 'graphql-transport-ws'] }).init();
  },

  async 'a message that is none is closed with 4400'({ url }) {
    const messages = [
      'nonsense',
      '[]',
      { type: 'start', id: '1', payload: { query: HELLO } },
      { type: 'next', id: '1', payload: {} },
      { type: 'connection_init', payload: 'text' },
      { type: 'subscribe', id: '1', payload: {} },
      { type: 'subscribe', payload: { query: HELLO } },
      { type: 'subscribe', id: '1', payload: { query: HELLO, variables: 'text' } },
    ];
    for (const message of messages) {
      const client = open(url);
      await client.say(message);
      await closes(client, 4400);
    }
  },

  async 'an operation before the connection is closed with 4401'({ url }) {
    const client = open(url);
    await client.subscribe('1', HELLO);
    assert.deepEqual(await client.closed(), { code: 4401, reason: 'Unauthorized' });
  },

  async 'a bad token is closed with 4403'({ url }) {
    const client = open(url);
    await client.say({ type: 'connection_init', payload: { Authorization: 'Bearer bad' } });
    assert.deepEqual(await client.closed(), { code: 4403, reason: 'Forbidden' });
  },

  async 'a second initialisation is closed with 4429'({ url }) {
    const client = await open(url).init();
    await client.say({ type: 'connection_init' });
    assert.deepEqual(await client.closed(), { code: 4429, reason: 'Too many initialisation requests' });
  },

  async 'a ping is answered with its payload, at any time'({ url }) {
    const client = open(url);
    await client.say({ type: 'ping', payload: { n: 1 } });
    assert.deepEqual(await client.hear(), { type: 'pong', payload: { n: 1 } });
    await client.init();
    await client.say({ type: 'pong' });
    await client.say({ type: 'ping' });
    assert.deepEqual(await client.hear(), { type: 'pong' });
    client.close();
  },

  async 'a query answers next and complete, and frees its id'({ url }) {
    const client = await open(url).init();
    for (let round = 0; round < 2; round += 1) {
      await client.subscribe('1', HELLO);
      const payload = { data: { __typename: 'Query' } };
      assert.deepEqual(await client.hear(), { id: '1', type: 'next', payload });
      assert.deepEqual(await client.hear(), { id: '1', type: 'complete' });
    }
    client.close();
  },

  async 'what cannot run answers error with a code, and no complete'({ url }) {
    const client = await open(url).init();
    const cases = { '{': 'GRAPHQL_PARSE_FAILED', '{ nothing }': 'GRAPHQL_VALIDATION_FAILED' };
    for (const [query, code] of Object.entries(cases)) {
      await client.subscribe('1', query);
      const { id, type, payload } = await client.hear();
      assert.deepEqual([id, type, payload[0].extensions.code], ['1', 'error', code]);
    }
    await client.subscribe('1', HELLO);
    assert.equal((await client.hear()).type, 'next');
    client.close();
  },

  async 'completing what does not run is no error'({ url }) {
    const client = await open(url).init();
    await client.say({ type: 'complete', id: 'unknown' });
    await client.say({ type: 'ping' });
    assert.equal((await client.hear()).type, 'pong');
    client.close();
  },

  async 'a message over 256 KiB is closed with 1009'({ url }) {
    const client = await open(url).init();
    await client.say({ type: 'ping', payload: { text: 'x'.repeat(256 * 1024) } });
    await closes(client, 1009);
  },

  async 'a good token is taken from the message and from the header'({ url, token }) {
    const authorization = `Bearer ${token}`;
    (await open(url).init({ Authorization: authorization })).close();
    (await open(url, { headers: { authorization } }).init()).close();
  },
};

/** What holds where there is a subscription. `wait` is one that says nothing for now. */
export const streams = {
  async 'a taken id is closed with 4409'({ url, wait }) {
    const client = await open(url).init();
    await client.subscribe('1', wait);
    await client.subscribe('1', HELLO);
    assert.deepEqual(await client.closed(), { code: 4409, reason: 'Subscriber for 1 already exists' });
  },

  async 'a client that completes hears nothing more, and its id is free'({ url, wait, wake }) {
    const client = await open(url).init();
    await client.subscribe('1', wait);
    await client.say({ type: 'complete', id: '1' });
    await wake();
    await client.subscribe('1', HELLO);
    const payload = { data: { __typename: 'Query' } };
    assert.deepEqual(await client.hear(), { id: '1', type: 'next', payload });
    client.close();
  },

  async 'more than a hundred operations at once are refused, one by one'({ url, wait }) {
    const client = await open(url).init();
    for (let id = 0; id <= 100; id += 1) await client.subscribe(String(id), wait);
    const { id, type, payload } = await client.hear();
    assert.deepEqual([id, type, payload[0].extensions.code], ['100', 'error', 'TOO_MANY_REQUESTS']);
    client.close();
  },

  async 'a subscription selects one field'({ url, wait }) {
    const client = await open(url).init();
    await client.subscribe('1', wait.replace(/^subscription \{/, 'subscription { other: __typename'));
    assert.equal((await client.hear()).payload[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    client.close();
  },
};

/** Takes the ten seconds that a client has. */
export async function lateInitialisation({ url }) {
  const start = Date.now();
  const { code, reason } = await open(url).closed();
  assert.deepEqual([code, reason], [4408, 'Connection initialisation timeout']);
  const seconds = (Date.now() - start) / 1000;
  assert.ok(seconds > 1 && seconds < 12, `after ${seconds} s`);
}
