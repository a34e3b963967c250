// Compares the verdict of both services on random documents with that of npm's graphql, the reference implementation.
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { buildASTSchema, isInputType, isListType, isNonNullType, Kind, parse, specifiedRules, typeFromAST, validate } from 'graphql';
import { finish, record } from '../support/checks.mjs';
import { startServices } from '../support/services.mjs';
import { Choices, mutatedDocument, randomDocument } from './documents.mjs';

const DOCUMENTS = Number(process.env.DOCUMENTS ?? 5000);
const SEED = Number(process.env.SEED ?? 1);
const AT_ONCE = 8;
const REFUSALS = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'];

/** Deviations that are right: the text of September 2025 has rules that this version of the reference lacks. */
const JUSTIFIED = [
  { rule: '2.1 descriptions of operations, fragments and variables', reference: /Unexpected description|Expected "\$", found (Block)?String/, service: /^accepted$/ },
  { rule: '5.2.1.1 operation type existence', reference: /^accepted$/, service: /The schema has no (mutation|subscription)/ },
  { rule: '5.2.4.1 no @skip or @include at the root of a subscription', reference: /^accepted$/, service: /must not depend on @skip or @include/ },
];

/** What async-graphql adds to a subgraph, which its SDL leaves out. */
const FEDERATION = (entities) => `
  scalar _Any
  union _Entity = ${entities.join(' | ')}
  type _Service { sdl: String }
  extend type Query { _entities(representations: [_Any!]!): [_Entity]!  _service: _Service! }`;

async function readSchema(service) {
  const text = await readFile(new URL(`../../schema/${service}.graphql`, import.meta.url), 'utf8');
  const sdl = parse(text);
  const isEntity = ({ directives = [] }) => directives.some(({ name }) => name.value === 'key');
  const entities = sdl.definitions.filter(isEntity).map(({ name }) => name.value);
  const { definitions } = parse(FEDERATION(entities));
  const all = [...sdl.definitions, ...definitions].filter(({ kind }) => kind !== Kind.SCHEMA_EXTENSION);
  return buildASTSchema({ kind: Kind.DOCUMENT, definitions: all }, { assumeValidSDL: true });
}

/** Returns the verdict of the reference, and the tree if there is one. */
function judge(schema, text) {
  try {
    const tree = parse(text);
    const [error] = validate(schema, tree, specifiedRules, { maxErrors: 1 });
    return { verdict: error?.message ?? 'accepted', tree };
  } catch (error) {
    return { verdict: error.message };
  }
}

const VALUES = { Int: 1, Float: 1.5, Boolean: true, ID: '999999999', String: 'nobody', _Any: { __typename: 'User', id: '999999999' } };

/** Returns a value of a type, as JSON. */
function valueOf(type) {
  if (isNonNullType(type)) return valueOf(type.ofType);
  if (isListType(type)) return [valueOf(type.ofType)];
  if (type?.getValues) return type.getValues()[0].name;
  if (type?.getFields && isInputType(type)) {
    return Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, valueOf(field.type)]));
  }
  return VALUES[type?.name] ?? 1;
}

/** Returns a request for the first operation, with a value for each variable: nothing but the document is at fault. */
function requestOf(schema, query, tree) {
  const operations = tree?.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION) ?? [];
  const variables = (operations[0]?.variableDefinitions ?? []).map(({ variable, type }) => {
    return [variable.name.value, valueOf(typeFromAST(schema, type))];
  });
  const operationName = operations.length > 1 ? operations[0].name?.value : undefined;
  return { query, operationName, variables: Object.fromEntries(variables) };
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

/** Resolves to the verdict of a service: `accepted`, or its message. */
function ask(address, body) {
  const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
  return new Promise((resolve, reject) => {
    const sent = request(`${address}/graphql`, { method: 'POST', headers, agent }, async (response) => {
      try {
        const chunks = await response.toArray();
        const { errors } = JSON.parse(Buffer.concat(chunks).toString());
        const [error] = errors ?? [];
        const { code } = error?.extensions ?? {};
        if (response.statusCode === 400 && REFUSALS.includes(code)) resolve(error.message);
        else if (code === 'QUERY_TOO_COMPLEX') resolve('too complex');
        else if (code === 'INTERNAL') resolve(`${response.statusCode} ${code}: ${error.message}`);
        else resolve('accepted');
      } catch (error) {
        reject(error);
      }
    });
    sent.once('error', reject);
    sent.end(JSON.stringify(body));
  });
}

const { addresses, stop } = await startServices();
const counts = { accepted: 0, refused: 0, 'too complex': 0 };
const justifiedCounts = new Map();
const deviations = new Map();
try {
  const services = await Promise.all(
    ['users', 'offers'].map(async (name) => ({ name, schema: await readSchema(name), address: addresses[`${name}-api`] })),
  );
  const choices = new Choices(SEED);
  const cases = Array.from({ length: DOCUMENTS }, (_, index) => {
    const service = services[index % services.length];
    const valid = randomDocument(service.schema, choices);
    const { name = 'as generated', text = valid } = index % 4 < 2 ? {} : mutatedDocument(valid, choices);
    return { ...service, change: name, text };
  });
  const compare = async ({ name, schema, address, change, text }) => {
    const { verdict, tree } = judge(schema, text);
    const answer = await ask(address, requestOf(schema, text, tree));
    const isAccepted = verdict === 'accepted';
    counts[answer === 'too complex' ? answer : isAccepted ? 'accepted' : 'refused'] += 1;
    const group = `${name}: ${change}`;
    deviations.set(group, deviations.get(group) ?? 0);
    if (isAccepted === (answer === 'accepted') || answer === 'too complex') return;
    const justified = JUSTIFIED.find(({ reference, service }) => reference.test(verdict) && service.test(answer));
    if (justified) {
      justifiedCounts.set(justified.rule, (justifiedCounts.get(justified.rule) ?? 0) + 1);
    } else {
      deviations.set(group, deviations.get(group) + 1);
      console.log(`deviation, ${group}: ${JSON.stringify(text)}\n  reference: ${verdict}\n  service: ${answer}`);
    }
  };
  const queue = cases.values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const one of queue) await compare(one);
  }));
} finally {
  agent.destroy();
  await stop();
}
for (const [group, count] of deviations) record(group, count > 0 && `${count} deviations`);
// A generator that makes documents of one kind alone proves little.
const { accepted, refused, 'too complex': tooComplex } = counts;
const isLopsided = Math.min(accepted, refused) < DOCUMENTS / 3 || tooComplex > DOCUMENTS / 50;
record('the reference accepts a third of the documents and refuses a third', isLopsided && JSON.stringify(counts));
console.log(`seed ${SEED}: the reference accepted ${accepted} documents and refused ${refused}; ${tooComplex} exceed a limit`);
for (const [rule, times] of justifiedCounts) console.log(`justified, ${times} times: ${rule}`);
finish();
