// Many subscribers and many offers: each subscriber must receive each offer once.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { check, finish } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';
import { createOffer, registerUser } from './api.mjs';

const SUBSCRIBERS = 200;
const OFFERS = 500;
const WRITERS = 10;

const settings = process.env.DATABASE_URL && { DATABASE_URL: process.env.DATABASE_URL };
const { addresses, stop } = await startServices(settings);
const address = addresses['offers-api'];
const url = `${address.replace('http', 'ws')}/graphql/ws`;

/** Subscribes until the offer "last": `ready` resolves with the first event, `ids` to the ids of all offers. */
function subscribe() {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  const events = client.iterate({ query: 'subscription { offerCreated { id title } }' });
  let markReady;
  const ready = new Promise((resolve) => (markReady = resolve));
  const ids = (async () => {
    const ids = [];
    for await (const { data } of events) {
      const { id, title } = data.offerCreated;
      markReady();
      if (title === 'last') return ids;
      if (title !== 'first') ids.push(id);
    }
    throw new Error('the subscription ended');
  })();
  return { ready, ids, client };
}

await check(`each of ${SUBSCRIBERS} subscribers receives each of ${OFFERS} offers once`, async () => {
  const owner = await registerUser(addresses['users-api'], `owner${Date.now()}`);
  const subscribers = Array.from({ length: SUBSCRIBERS }, subscribe);
  // The protocol has no message for a subscription that has begun, so offers are created until all have received one.
  let allReady = false;
  const ready = Promise.all(subscribers.map(({ ready }) => ready)).then(() => (allReady = true));
  while (!allReady) await createOffer(address, owner, 'first');
  await ready;
  const start = performance.now();
  const created = [];
  const writer = async () => {
    while (created.length < OFFERS) {
      const index = created.push(undefined) - 1;
      created[index] = (await createOffer(address, owner, 'one')).id;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const written = performance.now();
  await createOffer(address, owner, 'last');
  const received = await Promise.all(subscribers.map(({ ids }) => ids));
  const end = performance.now();
  const expected = [...created].sort();
  for (const ids of received) assert.deepEqual([...ids].sort(), expected);
  const seconds = (from, to) => ((to - from) / 1000).toFixed(2);
  console.log(`written in ${seconds(start, written)} s, all received ${seconds(written, end)} s later`);
  await Promise.all(subscribers.map(({ client }) => client.dispose()));
});

await stop();
finish();
