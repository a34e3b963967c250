// Many subscribers, many offers: each must hear of each once.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { offer, user } from './api.mjs';
import { check, sum } from './report.mjs';
import { start } from './services.mjs';

const SUBSCRIBERS = 200;
const OFFERS = 500;
const WRITERS = 10;

const settings = process.env.DATABASE_URL && { DATABASE_URL: process.env.DATABASE_URL };
const { addresses, stop } = await start(process.argv[2], settings);
const address = addresses['offers-api'];
const url = `${address.replace('http', 'ws')}/graphql/ws`;

/** Hears of offers until the last one: their ids. */
function subscribe() {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  const events = client.iterate({ query: 'subscription { offerCreated { id title } }' });
  let begun;
  const ready = new Promise((resolve) => (begun = resolve));
  const ids = (async () => {
    const ids = [];
    for await (const { data } of events) {
      const { id, title } = data.offerCreated;
      begun();
      if (title === 'last') return ids;
      if (title !== 'first') ids.push(id);
    }
    throw new Error('the subscription ended');
  })();
  return { ready, ids, client };
}

await check(`${SUBSCRIBERS} subscribers hear of ${OFFERS} offers once each`, async () => {
  const owner = await user(addresses['users-api'], `owner${Date.now()}`);
  const subscribers = Array.from({ length: SUBSCRIBERS }, subscribe);
  // The protocol has no word for a subscription that has begun, so offers are made until all have heard.
  let all = false;
  const ready = Promise.all(subscribers.map(({ ready }) => ready)).then(() => (all = true));
  while (!all) await offer(address, owner, 'first');
  await ready;
  const begin = performance.now();
  const made = [];
  const writer = async () => {
    while (made.length < OFFERS) {
      const place = made.push(undefined) - 1;
      made[place] = (await offer(address, owner, 'one')).id;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const written = performance.now();
  await offer(address, owner, 'last');
  const heard = await Promise.all(subscribers.map(({ ids }) => ids));
  const end = performance.now();
  const expected = [...made].sort();
  for (const ids of heard) assert.deepEqual([...ids].sort(), expected);
  const seconds = (from, to) => ((to - from) / 1000).toFixed(2);
  console.log(`written in ${seconds(begin, written)} s, all heard ${seconds(written, end)} s later`);
  await Promise.all(subscribers.map(({ client }) => client.dispose()));
});

await stop();
sum();
