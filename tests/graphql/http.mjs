// The audit of graphql-http, on both services and on the example of the crate graphql-http, beside the stock endpoint.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { auditServer } from 'graphql-http';
import { told, sum } from './report.mjs';
import { start } from './services.mjs';

const AUDITS = 61;
const [services, example] = process.argv.slice(2);

/** Audits an address, and counts each check. */
async function audit(service, address) {
  const results = await auditServer({ url: `${address}/graphql` });
  for (const { id, name, status, reason } of results) {
    // Also what the audit only warns of must be so.
    told(`${service} ${id} ${name}`, status === 'ok' ? undefined : reason);
  }
  // A version with fewer audits would pass too easily.
  told(`${service} all audits`, results.length < AUDITS && `only ${results.length} of ${AUDITS}`);
  return results;
}

/** Runs the example with these arguments for as long as the body takes. */
async function withExample(args, body) {
  const child = spawn(example, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  try {
    const [address] = await once(createInterface({ input: child.stdout }), 'line');
    return await body(address);
  } finally {
    child.kill();
    await ended;
  }
}

const { addresses, stop } = await start(services);
try {
  for (const [service, address] of Object.entries(addresses)) await audit(service, address);
} finally {
  await stop();
}
const ours = await withExample([], (address) => audit('example', address));
const stock = await withExample(['--stock'], (address) => auditServer({ url: `${address}/graphql` }));
const score = (results) => `${results.filter(({ status }) => status === 'ok').length} of ${results.length}`;
for (const { id, name, status, reason } of stock) if (status !== 'ok') console.log(`stock ${status} ${id} ${name}: ${reason}`);
console.log(`audit of the example: graphql-http ${score(ours)}, async-graphql-axum ${score(stock)}`);
sum();
