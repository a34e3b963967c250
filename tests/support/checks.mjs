// Runs checks one after the other and counts them.

const count = { passed: 0, failed: 0 };

/** Counts a check that has been made; without a `failure` it passed. */
export function record(name, failure) {
  count[failure ? 'failed' : 'passed'] += 1;
  console.log(failure ? `FAILED ${name}: ${failure}` : `ok ${name}`);
}

/** Runs a check, which fails by throwing. */
export async function check(name, body) {
  try {
    await body();
    record(name);
  } catch (error) {
    record(name, error?.message ?? JSON.stringify(error));
  }
}

/** Prints the sum as the last line, and makes the process exit with 1 if a check failed. */
export function finish() {
  console.log(`${count.passed} passed, ${count.failed} failed`);
  process.exitCode = count.failed ? 1 : 0;
}
