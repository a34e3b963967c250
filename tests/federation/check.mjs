// Composes both schemas, and asks a gateway what crosses both services.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { check, sum } from '../graphql/report.mjs';
import { start as startServices } from '../graphql/services.mjs';
import { byApollo, byGuild, supergraph } from './compose.mjs';
import { start as startGateway } from './gateway.mjs';

await check('Apollo composes both without an error or a hint', async () => {
  const { errors, hints, sdl } = await byApollo();
  assert.deepEqual({ errors, hints }, { errors: [], hints: [] });
  assert.equal(await readFile(supergraph, 'utf8'), sdl, 'supergraph.graphql is old: run schema/make');
});

await check('The Guild composes both without an error', async () => {
  const { errors, sdl } = await byGuild();
  assert.deepEqual(errors, []);
  assert.match(sdl, /type Offer/);
});

const { addresses, stop } = await startServices(process.argv[2], { SECURITY: 'strict' });
const gateway = await startGateway(await readFile(supergraph, 'utf8'), addresses);

/** The data of an answer without errors. */
async function data(...asked) {
  const { data, errors } = await gateway.run(...asked);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const PASSWORD = '7 quiet herons';
const ann = {};

await check('a user registers, logs in and offers through one address', async () => {
  const input = { username: 'ann', password: PASSWORD, email: 'ann@example.org' };
  const query = 'mutation ($input: RegisterInput!) { register(input: $input) { id } }';
  ann.id = (await data(query, { input })).register.id;
  const login = 'mutation ($input: AuthenticateInput!) { authenticate(input: $input) { accessToken } }';
  const credentials = { username: 'ann', password: PASSWORD };
  ann.token = (await data(login, { input: credentials })).authenticate.accessToken;
  const create = `mutation ($input: CreateOfferInput!) {
    createOffer(input: $input) { id user { username offers { title } } }
  }`;
  for (const title of ['chair', 'table']) {
    const offer = { userId: ann.id, title, text: 'As good as new.' };
    const { createOffer } = await data(create, { input: offer }, ann.token);
    ann.offer = createOffer.id;
    assert.equal(createOffer.user.username, 'ann');
    assert.equal(createOffer.user.offers.at(-1).title, title);
  }
});

await check('from a user to their offers', async () => {
  const query = `query ($id: ID) {
    user(id: $id) { username offersConnection(last: 1) { nodes { title userId } pageInfo { hasPreviousPage } } }
  }`;
  assert.deepEqual((await data(query, { id: ann.id })).user, {
    username: 'ann',
    offersConnection: { nodes: [{ title: 'table', userId: ann.id }], pageInfo: { hasPreviousPage: true } },
  });
});

await check('from an offer to its user', async () => {
  const query = 'query ($id: ID!) { offer(id: $id) { title user { username createdAt } } }';
  const { offer } = await data(query, { id: ann.offer });
  assert.equal(offer.title, 'table');
  assert.equal(offer.user.username, 'ann');
  assert.ok(Date.parse(offer.user.createdAt));
});

await check('to and fro in one query, with the token of the caller', async () => {
  const query = `query ($id: ID!) {
    me { email offers { title user { username offers { id } } } }
    offers(userId: $id, first: 1) { edges { node { user { email } } } }
  }`;
  const answer = await data(query, { id: ann.id }, ann.token);
  assert.equal(answer.me.email, 'ann@example.org');
  assert.deepEqual(answer.me.offers.map(({ user }) => user.offers.length), [2, 2]);
  assert.equal(answer.offers.edges[0].node.user.email, 'ann@example.org');
  // Nobody else is shown the email.
  const strangers = await data(query, { id: ann.id });
  assert.equal(strangers.me, null);
  assert.equal(strangers.offers.edges[0].node.user.email, null);
});

await check('an error comes with its code', async () => {
  const { errors } = await gateway.run('{ offers(userId: "x") { nodes { id } } }');
  assert.equal(errors[0].extensions.code, 'INVALID_INPUT');
});

await gateway.stop();
await stop();
sum();
