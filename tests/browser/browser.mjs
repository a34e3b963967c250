// A browser that can reach the services and nothing else, and that remembers whatever a page should not have done.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Whatever slips past the routing below still finds no host.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
}

/** A fresh profile with one page; `complaints` fills with errors and with requests to other origins. */
export async function open(browser, address, { colorScheme = 'light' } = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    colorScheme,
    viewport: { width: 1280, height: 800 },
  });
  const complaints = [];
  await context.route('**/*', (route) => {
    const url = new URL(route.request().url());
    if (url.origin === address || url.protocol === 'data:') return route.continue();
    complaints.push(`asked for ${url.href}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(address).host) complaints.push(`connected to ${socket.url()}`);
  });
  return { context, page, complaints };
}
