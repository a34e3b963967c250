// Starts both services in an empty folder, on free ports.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START = 60_000;

/** Gives the address of each service by its name, the process, and what stops it. */
export async function start(binary, settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'graphql-'));
  const free = '127.0.0.1:0';
  const child = spawn(binary, [], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      USERS_HTTP_ADDR: free,
      USERS_HTTPS_ADDR: 'off',
      OFFERS_HTTP_ADDR: free,
      OFFERS_HTTPS_ADDR: 'off',
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
    return { addresses: await addresses(child), child, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addresses(child) {
  return new Promise((resolve, reject) => {
    const found = {};
    const timer = setTimeout(() => reject(new Error('the services printed no addresses')), START);
    const fail = (error) => (clearTimeout(timer), reject(error));
    child.once('error', fail);
    child.once('close', (code) => fail(new Error(`the services ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, address] = line.match(/^(users-api|offers-api)\s+(http:\/\/\S+?)\/?$/) ?? [];
      if (name) found[name] = address;
      if (found['users-api'] && found['offers-api']) {
        clearTimeout(timer);
        resolve(found);
      }
    });
  });
}
