// Composes both schemas, and runs queries that span both services through a gateway.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { check, finish } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';
import { composeWithApollo, composeWithGuild, supergraphFile } from './compose.mjs';
import { startGateway } from './gateway.mjs';

await check('Apollo composes both schemas without errors or hints, into the file that is kept', async () => {
  const { errors, hints, sdl } = await composeWithApollo();
  assert.deepEqual({ errors, hints }, { errors: [], hints: [] });
  assert.equal(await readFile(supergraphFile, 'utf8'), sdl, 'supergraph.graphql is out of date: run schema/make');
});

await check('The Guild composes both schemas without errors', async () => {
  const { errors, sdl } = await composeWithGuild();
  assert.deepEqual(errors, []);
  assert.match(sdl, /type Offer/);
});

const { addresses, stop } = await startServices({ SECURITY: 'strict' });
const gateway = await startGateway(await readFile(supergraphFile, 'utf8'), addresses);

/** Runs a document on the gateway and returns its data; fails if the response has errors. */
async function run(...document) {
  const { data, errors } = await gateway.run(...document);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const PASSWORD = '7 quiet herons';
const ann = {};

await check('a user registers, logs in and creates offers through the gateway', async () => {
  const input = { username: 'ann', password: PASSWORD, email: 'ann@example.org' };
  const query = 'mutation ($input: RegisterInput!) { register(input: $input) { id } }';
  ann.id = (await run(query, { input })).register.id;
  const login = 'mutation ($input: AuthenticateInput!) { authenticate(input: $input) { accessToken } }';
  const credentials = { username: 'ann', password: PASSWORD };
  ann.token = (await run(login, { input: credentials })).authenticate.accessToken;
  const create = `mutation ($input: CreateOfferInput!) {
    createOffer(input: $input) { id user { username offers { title } } }
  }`;
  for (const title of ['chair', 'table']) {
    const offer = { userId: ann.id, title, text: 'As good as new.' };
    const { createOffer } = await run(create, { input: offer }, ann.token);
    ann.offer = createOffer.id;
    assert.equal(createOffer.user.username, 'ann');
    assert.equal(createOffer.user.offers.at(-1).title, title);
  }
});

await check('a user has their offers', async () => {
  const query = `query ($id: ID) {
    user(id: $id) { username offersConnection(last: 1) { nodes { title userId } pageInfo { hasPreviousPage } } }
  }`;
  assert.deepEqual((await run(query, { id: ann.id })).user, {
    username: 'ann',
    offersConnection: { nodes: [{ title: 'table', userId: ann.id }], pageInfo: { hasPreviousPage: true } },
  });
});

await check('an offer has its user', async () => {
  const query = 'query ($id: ID!) { offer(id: $id) { title user { username createdAt } } }';
  const { offer } = await run(query, { id: ann.offer });
  assert.equal(offer.title, 'table');
  assert.equal(offer.user.username, 'ann');
  assert.ok(Date.parse(offer.user.createdAt));
});

await check('a nested query crosses the services both ways, with the token of the caller', async () => {
  const query = `query ($id: ID!) {
    me { email offers { title user { username offersConnection(first: 5) { nodes { id } } } } }
    offers(userId: $id, first: 1) { edges { node { user { email } } } }
  }`;
  const viewer = await run(query, { id: ann.id }, ann.token);
  assert.equal(viewer.me.email, 'ann@example.org');
  assert.deepEqual(viewer.me.offers.map(({ user }) => user.offersConnection.nodes.length), [2, 2]);
  assert.equal(viewer.offers.edges[0].node.user.email, 'ann@example.org');
  // The email is hidden from others.
  const anonymous = await run(query, { id: ann.id });
  assert.equal(anonymous.me, null);
  assert.equal(anonymous.offers.edges[0].node.user.email, null);
});

await check('an error has its code', async () => {
  const { errors } = await gateway.run('{ offers(userId: "x") { nodes { id } } }');
  assert.equal(errors[0].extensions.code, 'INVALID_INPUT');
});

await gateway.stop();
await stop();
finish();
