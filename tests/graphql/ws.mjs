// Checks the rules of graphql-transport-ws on both services, with a raw client and with npm's graphql-ws.
import { check, finish } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';
import { createOffer, registerUser } from './api.mjs';
import * as client from './client_rules.mjs';
import { missingInitialisation, protocolRules, subscriptionRules } from './protocol_rules.mjs';

const socketUrl = (address) => `${address.replace('http', 'ws')}/graphql/ws`;

async function checkAll(service, rules, context) {
  for (const [name, rule] of Object.entries(rules)) await check(`${service}: ${name}`, () => rule(context));
}

const { addresses, stop } = await startServices();
try {
  const { 'users-api': users, 'offers-api': offers } = addresses;
  const ada = await registerUser(users, 'ada');
  const ben = await registerUser(users, 'ben');
  // These take ten seconds, so they run beside the others and are counted at the end.
  const uninitialised = Object.values(addresses).map((address) => missingInitialisation({ url: socketUrl(address) }));
  uninitialised.forEach((promise) => promise.catch(() => {}));
  for (const [service, address] of Object.entries(addresses)) {
    await checkAll(service, protocolRules, { url: socketUrl(address), token: ada.token });
  }
  await checkAll('users-api', client.userRules, { url: socketUrl(users), user: ada });

  const url = socketUrl(offers);
  const trigger = () => createOffer(offers, ada, 'Bicycle');
  await checkAll('offers-api', subscriptionRules, { url, silent: 'subscription { offerCreated { id } }', trigger });
  await checkAll('offers-api', client.subscriptionRules, { url, address: offers, user: ada, other: ben });
  for (const [index, service] of Object.keys(addresses).entries()) {
    await check(`${service}: a missing connection_init closes the socket with 4408`, () => uninitialised[index]);
  }
} finally {
  await stop();
}

const shortLived = await startServices({ ACCESS_TTL: '2s' });
try {
  const users = shortLived.addresses['users-api'];
  let logins = 0;
  const login = async () => (await registerUser(users, `user${(logins += 1)}`)).token;
  await check('an expired token closes the socket with 4403, and the client reconnects', () =>
    client.reconnectsWithNewToken({ url: socketUrl(users), login }));
  await check('a service that shuts down closes its sockets with 1001', () =>
    client.closesOnShutdown({ url: socketUrl(shortLived.addresses['offers-api']), child: shortLived.child }));
} finally {
  await shortLived.stop();
}
finish();
