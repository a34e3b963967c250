// Opens the pages of both services over HTTPS in a browser with no other host. SCREENSHOTS=folder keeps pictures.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { check, finish } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';
import { launchBrowser, openPage } from './browser.mjs';
import { docs, docsBelowPath, graphiql, index, subscription } from './page_checks.mjs';

const { addresses, stop } = await startServices({ SECURITY: 'strict', LOG: 'warn' }, 'https');
let browser;
try {
  browser = await launchBrowser();
  for (const service of Object.keys(addresses)) {
    for (const pageCheck of [index, docs, graphiql]) {
      for (const colorScheme of ['light', 'dark']) await checkPage(pageCheck, service, colorScheme);
    }
  }
  for (const pageCheck of [docsBelowPath, subscription]) await checkPage(pageCheck, 'offers-api', 'light');
} finally {
  await browser?.close();
  await stop();
}
finish();

/** Runs one check in a new profile. It fails by throwing, and if the page caused an error or a request elsewhere. */
async function checkPage(pageCheck, service, colorScheme) {
  const name = `${service}-${pageCheck.name}-${colorScheme}`;
  await check(name, async () => {
    const address = addresses[service];
    const { context, page, problems } = await openPage(browser, address, { colorScheme });
    try {
      await pageCheck({ service, address, addresses, colorScheme, context, page });
      assert.deepEqual(problems, []);
    } catch (cause) {
      throw new Error([cause.message, ...problems].join('\n  '), { cause });
    } finally {
      await saveScreenshot(page, name);
      await context.close();
    }
  });
}

async function saveScreenshot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
