// Runs the audit of graphql-http against both services and against the example of the crate graphql-http, and prints
// the score of the stock endpoint on the same schema beside it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { auditServer } from 'graphql-http';
import { finish, record } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';

const AUDITS = 61;
const [example] = process.argv.slice(2);

/** Audits an address, and records each check. */
async function audit(service, address) {
  const results = await auditServer({ url: `${address}/graphql` });
  for (const { id, name, status, reason } of results) {
    // A warning of the audit counts as a failure.
    record(`${service} ${id} ${name}`, status === 'ok' ? undefined : reason);
  }
  // A version with fewer audits would pass too easily.
  record(`${service} all audits were run`, results.length < AUDITS && `only ${results.length} of ${AUDITS}`);
  return results;
}

/** Runs the example with these arguments while `body` runs. */
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

const { addresses, stop } = await startServices();
try {
  for (const [service, address] of Object.entries(addresses)) await audit(service, address);
} finally {
  await stop();
}
const own = await withExample([], (address) => audit('example', address));
const stock = await withExample(['--stock'], (address) => auditServer({ url: `${address}/graphql` }));
const score = (results) => `${results.filter(({ status }) => status === 'ok').length} of ${results.length}`;
for (const { id, name, status, reason } of stock) {
  if (status !== 'ok') console.log(`stock ${status} ${id} ${name}: ${reason}`);
}
console.log(`audit of the example: graphql-http ${score(own)}, async-graphql-axum ${score(stock)}`);
finish();
