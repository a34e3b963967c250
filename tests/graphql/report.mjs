// Runs checks one after the other and counts them.

const count = { passed: 0, failed: 0 };

/** Counts a check that has told by itself how it went. */
export function told(name, failure) {
  count[failure ? 'failed' : 'passed'] += 1;
  console.log(failure ? `FAILED ${name}: ${failure}` : `ok ${name}`);
}

/** Runs a check: it fails by throwing. */
export async function check(name, body) {
  try {
    await body();
    told(name);
  } catch (error) {
    told(name, error?.message ?? JSON.stringify(error));
  }
}

/** Prints the sum, and fails the process where anything failed. */
export function sum() {
  console.log(`${count.passed} passed, ${count.failed} failed`);
  process.exitCode = count.failed ? 1 : 0;
}
