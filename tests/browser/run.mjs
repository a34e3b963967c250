// Opens the pages of both services over HTTPS in a browser with no other host. SCREENSHOTS=folder keeps pictures.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, open } from './browser.mjs';
import { below, docs, graphiql, index, subscription } from './checks.mjs';
import { start } from './services.mjs';

const count = { passed: 0, failed: 0, skipped: 0 };
const { addresses, stop } = await start(process.argv[2]);
let browser;
try {
  browser = await launch();
  for (const [service, address] of Object.entries(addresses)) {
    for (const check of [index, docs, graphiql]) {
      for (const colorScheme of ['light', 'dark']) await run(check, { service, address, addresses, colorScheme });
    }
  }
  for (const check of [below, subscription]) {
    await run(check, { service: 'offers-api', address: addresses['offers-api'], addresses, colorScheme: 'light' });
  }
} finally {
  await browser?.close();
  await stop();
}
const skipped = count.skipped ? `, ${count.skipped} skipped` : '';
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
process.exitCode = count.failed ? 1 : 0;

/** One check on one fresh profile: it must do what it says, or say why it cannot, and leave nothing to complain about. */
async function run(check, world) {
  const name = `${world.service}-${check.name}-${world.colorScheme}`;
  const { context, page, complaints } = await open(browser, world.address, world);
  try {
    const reason = await check({ ...world, context, page });
    assert.deepEqual(complaints, []);
    count[reason ? 'skipped' : 'passed'] += 1;
    console.log(reason ? `skipped ${name}: ${reason}` : `ok ${name}`);
  } catch (error) {
    count.failed += 1;
    console.log(`FAILED ${name}: ${error.message}`, ...complaints.map((line) => `\n  ${line}`));
  } finally {
    await picture(page, name);
    await context.close();
  }
}

async function picture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
