// The rules of graphql-transport-ws on both services, with a raw client and with npm's graphql-ws.
import { offer, run, user } from './api.mjs';
import * as clients from './clients.mjs';
import { check, sum } from './report.mjs';
import { lateInitialisation, rules, streams } from './rules.mjs';
import { start } from './services.mjs';

const binary = process.argv[2];
const socket = (address) => `${address.replace('http', 'ws')}/graphql/ws`;
const every = async (service, checks, world) => {
  for (const [name, body] of Object.entries(checks)) await check(`${service} ${name}`, () => body(world));
};

const { addresses, stop } = await start(binary);
try {
  const users = addresses['users-api'];
  const offers = addresses['offers-api'];
  const worlds = { users, offers };
  const ada = await user(users, 'ada');
  const ben = await user(users, 'ben');
  const late = Object.values(addresses).map((address) => lateInitialisation({ url: socket(address) }));
  // Told below.
  late.forEach((promise) => promise.catch(() => {}));
  for (const [service, address] of Object.entries(worlds)) {
    await every(service, rules, { url: socket(address), token: ada.token });
  }
  await every('users', clients.users, { url: socket(users), user: ada });

  const { __schema } = await run(offers, '{ __schema { subscriptionType { name } } }');
  if (__schema.subscriptionType) {
    const url = socket(offers);
    const wake = () => offer(offers, ada, 'wakes');
    await every('offers', streams, { url, wait: 'subscription { offerCreated { id } }', wake });
    await every('offers', clients.streams, { url, address: offers, user: ada, other: ben });
  }
  for (const [at, service] of Object.keys(addresses).entries()) {
    await check(`${service} a late initialisation is closed with 4408`, () => late[at]);
  }
} finally {
  await stop();
}

const brief = await start(binary, { ACCESS_TTL: '2s' });
try {
  const address = brief.addresses['users-api'];
  const url = socket(address);
  let logins = 0;
  const login = async () => (await user(address, `user${(logins += 1)}`)).token;
  await check('an expired token is closed with 4403, and a client comes again', () =>
    clients.expiry({ url, login }));
  await check('a service that ends closes with 1001', () =>
    clients.goingAway({ url: socket(brief.addresses['offers-api']), child: brief.child }));
} finally {
  await brief.stop();
}
sum();
