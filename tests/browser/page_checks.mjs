// The checks of the pages. Each gets a new page and the addresses of the services, and fails by throwing.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { GraphiQL } from './graphiql.mjs';

const POLICY = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"];

/** Opens a page of a service, and checks the status and headers that all pages have. */
async function visit(page, url) {
  const response = await page.goto(url);
  const headers = response.headers();
  assert.equal(response.status(), 200);
  assert.equal(response.request().redirectedFrom(), null);
  for (const rule of POLICY) assert.ok(headers['content-security-policy'].includes(rule), rule);
  assert.ok(!/unsafe|https?:|\*/.test(headers['content-security-policy']));
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
}

/** Checks that the page follows the colour scheme of the system. */
async function assertColorScheme(page, colorScheme) {
  const lightness = await page.evaluate(() => {
    const elements = [...document.querySelectorAll('.graphiql-container, body, html')];
    const colours = elements.map((element) => getComputedStyle(element).backgroundColor);
    const [r, g, b] = (colours.find((colour) => !/, 0\)$/.test(colour)) ?? 'rgb(255, 255, 255)').match(/[\d.]+/g);
    return (Number(r) + Number(g) + Number(b)) / 3;
  });
  assert.equal(lightness > 127 ? 'light' : 'dark', colorScheme);
}

export async function index({ context, page, service, address, colorScheme }) {
  await visit(page, `${address}/`);
  await assertColorScheme(page, colorScheme);
  assert.match(await page.title(), new RegExp(service));
  const { paths } = await (await context.request.get(`${address}/openapi.json`)).json();
  const routes = Object.values(paths).flatMap((item) => Object.keys(item).filter((key) => /^(get|post|patch|delete)$/.test(key)));
  assert.ok(routes.length > 0);
  assert.equal(await page.locator('[aria-labelledby=rest] tbody tr').count(), routes.length);
  const links = await page.locator('a[href^="/"]').evaluateAll((anchors) => anchors.map((link) => link.getAttribute('href')));
  const expected = ['/graphql', '/docs', '/openapi.json', '/health/live', '/health/ready', '/metrics'];
  if (service === 'users-api') expected.push('/.well-known/jwks.json');
  for (const link of expected) assert.ok(links.includes(link), `no link to ${link}`);
  for (const link of new Set(links)) {
    const response = await context.request.get(address + link, { headers: { accept: 'text/html' }, maxRedirects: 0 });
    assert.equal(response.status(), 200, link);
  }
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('href')), '/graphql');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${address}/graphql`);
  await new GraphiQL(page).waitUntilReady();
  await page.goBack();
  await page.locator('h1').waitFor();
}

export async function docs({ page, service, address, colorScheme }) {
  await visit(page, `${address}/docs`);
  const [path, body] =
    service === 'users-api'
      ? ['/user/registry', { username: randomUUID(), password: randomUUID(), email: `${randomUUID()}@example.org` }]
      : ['/offer', { offer_id: 1 }];
  const block = page.locator('.opblock-post').filter({ has: page.locator(`[data-path="${path}"], [data-path="${path}/"]`) });
  await block.locator('.opblock-summary-control').focus();
  await page.keyboard.press('Enter');
  await assertColorScheme(page, colorScheme);
  await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
  await block.locator('button.execute').click();
  const status = block.locator('.live-responses-table .response-col_status').last();
  await status.waitFor();
  assert.match(await status.textContent(), service === 'users-api' ? /^201/ : /^200/);
}

/** Behind a proxy that serves the page below a path, the page loads the document of that path, not of the root. */
export async function docsBelowPath({ context, page, address }) {
  const requested = [];
  await context.route(`${address}/**`, (route) => {
    const url = route.request().url();
    if (url.endsWith('/openapi.json')) requested.push(new URL(url).pathname);
    return route.continue({ url: url.replace('/offers/', '/') });
  });
  for (const path of ['/offers/docs', '/offers/docs/']) {
    await page.goto(address + path);
    await page.locator('[data-path="/offer/create"], [data-path="/offer/create/"]').waitFor();
  }
  assert.deepEqual(requested, ['/offers/openapi.json', '/offers/openapi.json']);
}

export async function graphiql({ context, page, service, address, addresses, colorScheme }) {
  await visit(page, `${address}/graphql`);
  const playground = new GraphiQL(page);
  await playground.waitUntilReady();
  await assertColorScheme(page, colorScheme);
  assert.ok((await playground.tabTitles()).every((title) => title && title !== '<untitled>'));
  await playground.run('"data"');
  assert.ok(!('errors' in JSON.parse(await playground.result())), await playground.result());
  await playground.enterQuery('query Typed { __typename }');
  await playground.run('"__typename": "Query"');

  const user = await register(context, addresses['users-api']);
  await playground.enterToken(user.token);
  if (service === 'users-api') {
    await playground.enterQuery('query Me { me { username } }');
    await playground.run(`"username": "${user.username}"`);
    const email = `${randomUUID()}@example.org`;
    await playground.enterQuery(`mutation Change {
  updateUser(id: "${user.id}", input: { email: "${email}" }) {
    email
  }
}`);
    await playground.run(`"email": "${email}"`);
  } else {
    await playground.enterQuery(`mutation Offer {
  createOffer(input: { userId: "${user.id}", title: "Bicycle", text: "Red" }) {
    title
  }
}`);
    await playground.run('"title": "Bicycle"');
  }

  // The dialog and the menu lock scrolling by a style sheet of their own, which the policy must allow.
  await page.getByRole('button', { name: 'Open settings dialog' }).click();
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-plugin').getByText('Query', { exact: true }).waitFor();
}

export async function subscription({ context, page, address, addresses }) {
  await visit(page, `${address}/graphql`);
  const playground = new GraphiQL(page);
  await playground.waitUntilReady();
  const user = await register(context, addresses['users-api']);
  const sent = [];
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload))));
  await playground.enterToken(user.token);
  await playground.enterQuery(`subscription Created { offerCreated(userId: "${user.id}") { title } }`);
  await playground.start();

  // The protocol has no message for a subscription that has begun, so offers are created until one is shown.
  const deadline = Date.now() + 20_000;
  for (let shown = false; !shown; ) {
    assert.ok(Date.now() < deadline, `no event: ${await playground.result()}`);
    const title = randomUUID();
    const response = await context.request.post(`${address}/offer/create/`, {
      headers: { authorization: `Bearer ${user.token}` },
      data: { user_id: user.id, title, text: 'Red' },
    });
    assert.equal(response.status(), 201);
    shown = await playground.waitForResult(title, 1_000).then(() => true, () => false);
  }
  const [first] = sent;
  assert.equal(first.type, 'connection_init');
  assert.equal(first.payload.Authorization, `Bearer ${user.token}`);
  await playground.stop();
}

/** Registers a user over REST, and returns their id, name and access token. */
async function register(context, users) {
  const [username, password] = [randomUUID(), randomUUID()];
  const data = { username, password, email: `${username}@example.org` };
  const registration = await context.request.post(`${users}/user/registry/`, { data });
  assert.equal(registration.status(), 201);
  const session = await context.request.post(`${users}/user/auth/`, { data: { username, password } });
  assert.equal(session.status(), 200);
  const { user_id: id, access_token: token } = await session.json();
  return { id, username, token };
}
