// The audit of graphql-http, on both services.
import { auditServer } from 'graphql-http';
import { told, sum } from './report.mjs';
import { start } from './services.mjs';

const AUDITS = 61;

const { addresses, stop } = await start(process.argv[2]);
try {
  for (const [service, address] of Object.entries(addresses)) {
    const results = await auditServer({ url: `${address}/graphql` });
    for (const { id, name, status, reason } of results) {
      // Also what the audit only warns of must be so.
      told(`${service} ${id} ${name}`, status === 'ok' ? undefined : reason);
    }
    // A version with fewer audits would pass too easily.
    told(`${service} all audits`, results.length < AUDITS && `only ${results.length} of ${AUDITS}`);
  }
} finally {
  await stop();
}
sum();
