// Starts both services in an empty folder, on free ports, with the access rules of a real deployment.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START = 60_000;

/** Gives the HTTPS address of each service by its name, and what stops them. */
export async function start(binary) {
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  const free = '127.0.0.1:0';
  const child = spawn(binary, [], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      USERS_HTTP_ADDR: free,
      USERS_HTTPS_ADDR: free,
      OFFERS_HTTP_ADDR: free,
      OFFERS_HTTPS_ADDR: free,
      SECURITY: 'strict',
      LOG: 'warn',
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
    return { addresses: await addresses(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addresses(child) {
  return new Promise((resolve, reject) => {
    const found = {};
    const timer = setTimeout(() => reject(new Error('the services printed no HTTPS addresses')), START);
    const fail = (error) => (clearTimeout(timer), reject(error));
    child.once('error', fail);
    child.once('close', (code) => fail(new Error(`the services ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, address] = line.match(/^(users-api|offers-api)\s+(https:\/\/\S+?)\/?$/) ?? [];
      if (name) found[name] = address;
      if (found['users-api'] && found['offers-api']) {
        clearTimeout(timer);
        resolve(found);
      }
    });
  });
}
