// Validates the Kubernetes objects of standard input by the packages @kubernetes-models of a folder.
// These accept unknown fields, so a field that the validation does not read is an error too.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const FOLDER = resolve(process.argv[2], 'node_modules/@kubernetes-models');
const PACKAGES = { 'gateway.networking.k8s.io': 'gateway-api', 'traefik.io': 'traefik' };

/** Returns the value, with the paths of its fields in `unread` until they are read. */
function watch(value, path, unread) {
  if (value === null || typeof value !== 'object') return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, inner] of Object.entries(value)) {
    copy[key] = watch(inner, `${path}/${key}`, unread);
    unread.add(`${path}/${key}`);
  }
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return target[key];
    },
  });
}

for (const object of JSON.parse(readFileSync(0))) {
  const [group, version] = object.apiVersion.split('/');
  const schemas = join(FOLDER, PACKAGES[group], '_schemas');
  const suffix = `${version}${object.kind}.js`.toLowerCase();
  const file = readdirSync(schemas).find((file) => file.toLowerCase().endsWith(suffix)
    && readFileSync(join(schemas, file), 'utf8').includes(`"${object.apiVersion}"`));
  const { validate } = await import(pathToFileURL(join(schemas, file)));
  const unread = new Set();
  const valid = validate(watch(object, '', unread));
  const problems = valid ? [...unread].map((path) => `${path} is unknown`) : [JSON.stringify(validate.errors)];
  if (problems.length) throw new Error(`${object.kind} ${object.metadata.name}: ${problems.join(', ')}`);
}
