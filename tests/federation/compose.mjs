// Composes the schemas of both services into one graph. `node compose.mjs` writes it to its place.
import { readFile, writeFile } from 'node:fs/promises';
import { composeServices } from '@apollo/composition';
import { composeServices as composeByGuild } from '@theguild/federation-composition';
import { parse } from 'graphql';

const FOLDER = new URL('../../schema/', import.meta.url);

/** The graph that is kept. */
export const supergraph = new URL('supergraph.graphql', FOLDER);

async function subgraphs() {
  const read = async (name, url) => ({
    name,
    url,
    typeDefs: parse(await readFile(new URL(`${name}.graphql`, FOLDER), 'utf8')),
  });
  return [
    await read('users', 'http://127.0.0.1:8001/graphql'),
    await read('offers', 'http://127.0.0.1:8002/graphql'),
  ];
}

const outcome = ({ errors, hints, supergraphSdl }) => ({
  errors: (errors ?? []).map(({ message }) => message),
  hints: (hints ?? []).map(({ message }) => message),
  sdl: supergraphSdl && `${supergraphSdl.trimEnd()}\n`,
});

/** As Apollo's reference composes: errors, hints, and the graph. */
export const byApollo = async () => outcome(composeServices(await subgraphs()));

/** As The Guild's library composes. */
export const byGuild = async () => outcome(composeByGuild(await subgraphs()));

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { errors, sdl } = await byApollo();
  if (errors.length) throw new Error(errors.join('\n'));
  await writeFile(supergraph, sdl);
}
