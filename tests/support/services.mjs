// Starts both services in one process, in an empty folder and on free ports.
// The binaries are those of `cargo build --workspace --bins`; PROFILE=release takes the optimised ones.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
const BINARIES = process.env.BINARIES ?? join(TARGET, process.env.PROFILE ?? 'debug');
const START_TIMEOUT_MS = 60_000;

/** Resolves to the address of each service by its name, the process, and a function that stops it. */
export async function startServices(settings = {}, scheme = 'http') {
  const folder = await mkdtemp(join(tmpdir(), 'classifieds-'));
  const free = '127.0.0.1:0';
  const child = spawn(join(BINARIES, 'classifieds'), [], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      USERS_HTTP_ADDR: free,
      USERS_HTTPS_ADDR: free,
      OFFERS_HTTP_ADDR: free,
      OFFERS_HTTPS_ADDR: free,
      LOG: 'error',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { addresses: await readAddresses(child, scheme), child, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves once the process has printed the address of each service with this scheme. */
function readAddresses(child, scheme) {
  return new Promise((resolve, reject) => {
    const addresses = {};
    const timer = setTimeout(() => reject(new Error(`the services printed no ${scheme} addresses`)), START_TIMEOUT_MS);
    const fail = (error) => (clearTimeout(timer), reject(error));
    child.once('error', fail);
    child.once('close', (code) => fail(new Error(`the services ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, address] = line.match(/^(users-api|offers-api)\s+(\w+:\/\/\S+?)\/?$/) ?? [];
      if (address?.startsWith(`${scheme}:`)) addresses[name] = address;
      if (addresses['users-api'] && addresses['offers-api']) {
        clearTimeout(timer);
        resolve(addresses);
      }
    });
  });
}
