// Runs the audit of graphql-http against both services.
import { auditServer } from 'graphql-http';
import { finish, record } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';

const AUDITS = 61;

const { addresses, stop } = await startServices();
try {
  for (const [service, address] of Object.entries(addresses)) {
    const results = await auditServer({ url: `${address}/graphql` });
    for (const { id, name, status, reason } of results) {
      // A warning of the audit counts as a failure.
      record(`${service} ${id} ${name}`, status === 'ok' ? undefined : reason);
    }
    // A version with fewer audits would pass too easily.
    record(`${service} all audits were run`, results.length < AUDITS && `only ${results.length} of ${AUDITS}`);
  }
} finally {
  await stop();
}
finish();
