// Bundles GraphiQL and Swagger UI into files that the services serve themselves, so that their pages need no
// foreign host. `npm ci && npm run build` writes them; `npm run check` fails where the committed ones differ.
import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const out = dirname(here);

// GraphiQL carries 250 KB of fonts inside its style sheet; graphiql.css names fonts that every system has.
const withoutFonts = {
  name: 'without-fonts',
  setup(build) {
    build.onLoad({ filter: /graphiql[\\/]dist[\\/]style\.css$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/@font-face\s*\{[^}]*\}/g, ''),
      loader: 'css',
    }));
  },
};

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: ['graphiql.js', 'docs.js'],
  outdir: out,
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'iife',
  target: 'es2022',
  legalComments: 'none',
  define: { 'process.env.NODE_ENV': '"production"' },
  // The original writes <style> elements, which the pages' content security policy forbids.
  alias: { 'react-style-singleton': './adopted-style.js' },
  plugins: [withoutFonts],
});

const results = new Map(outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
results.set('third-party.txt', Buffer.from(licences(metafile)));

const check = process.argv.includes('--check');
let stale = 0;
for (const [name, content] of results) {
  const path = join(out, `${name}.gz`);
  if (check) {
    // Compared unpacked: another zlib may pack the same content into other bytes.
    if (!existsSync(path) || !gunzipSync(readFileSync(path)).equals(content)) {
      console.error(`${name} is not what its sources give`);
      stale += 1;
    }
  } else {
    const packed = gzipSync(content, { level: 9 });
    writeFileSync(path, packed);
    console.log(`${name}: ${content.length} bytes, ${packed.length} packed`);
  }
}
process.exit(stale ? 1 : 0);

/** The licences of every package that got into a bundle, as their terms ask. */
function licences({ inputs }) {
  const packages = new Map();
  for (const input of Object.keys(inputs)) {
    const folder = input.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
    if (!folder) continue;
    const { name, version, license } = JSON.parse(readFileSync(join(here, folder, 'package.json'), 'utf8'));
    const texts = readdirSync(join(here, folder))
      .filter((file) => /^(licen[cs]e|notice)/i.test(file) || /^swagger-ui-es-bundle\.js\.LICENSE/.test(file))
      .sort()
      .map((file) => readFileSync(join(here, folder, file), 'utf8').trim());
    packages.set(`${name} ${version}`, [`${name} ${version} (${license})`, ...texts].join('\n\n'));
  }
  const rule = `\n\n${'='.repeat(80)}\n\n`;
  const parts = [...packages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  return `${['The bundles in this folder contain these packages.', ...parts].join(rule)}\n`;
}
