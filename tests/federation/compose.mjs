// Composes the schemas of both services into one graph. `node compose.mjs` writes schema/supergraph.graphql.
import { readFile, writeFile } from 'node:fs/promises';
import { composeServices } from '@apollo/composition';
import { composeServices as composeServicesOfGuild } from '@theguild/federation-composition';
import { parse } from 'graphql';

const FOLDER = new URL('../../schema/', import.meta.url);

/** The file that holds the composed graph. */
export const supergraphFile = new URL('supergraph.graphql', FOLDER);

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

const toResult = ({ errors, hints, supergraphSdl }) => ({
  errors: (errors ?? []).map(({ message }) => message),
  hints: (hints ?? []).map(({ message }) => message),
  sdl: supergraphSdl && `${supergraphSdl.trimEnd()}\n`,
});

/** Composes with Apollo's reference implementation; resolves to errors, hints and SDL. */
export const composeWithApollo = async () => toResult(composeServices(await subgraphs()));

/** Composes with The Guild's library; resolves to errors, hints and SDL. */
export const composeWithGuild = async () => toResult(composeServicesOfGuild(await subgraphs()));

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { errors, sdl } = await composeWithApollo();
  if (errors.length) throw new Error(errors.join('\n'));
  await writeFile(supergraphFile, sdl);
}
