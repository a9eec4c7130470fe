// Builds dist/, which is shipped: the page around the phone, and the phone's screen with the
// example's own pages in it. `npm ci && npm run build`; nobody who only runs the demo needs Node.

import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { readMiniProgram } from './mini_program.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, '..');
const miniProgramFolder = join(repository, 'examples', 'mini-program');
const dist = join(here, 'dist');

// What the bundle is made of; tests/promises/test_phone_bundle.py looks for the same.
const SOURCES = new Set(['.js', '.mjs', '.json', '.css', '.html', '.wxml', '.wxss']);

const miniProgram = await readMiniProgram(miniProgramFolder);

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
await build({
  entryPoints: { screen: join(here, 'screen', 'main.js'), demo: join(here, 'demo', 'main.js') },
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'iife',
  charset: 'utf8',
  target: ['chrome109', 'firefox121', 'safari16'],
  legalComments: 'eof',
  define: { 'process.env.NODE_ENV': '"production"' },
  plugins: [servedFromMemory(miniProgram)],
  logLevel: 'warning',
});
for (const page of ['index.html', 'screen.html']) await cp(join(here, page), join(dist, page));
// MIT: the notice travels with every copy.
const licence = join(here, 'node_modules', 'glass-easel', 'LICENSE');
await cp(licence, join(dist, 'glass-easel.LICENSE.txt'));

const sources = [...(await filesBelow(here)), ...(await filesBelow(miniProgramFolder))];
const manifest = {
  sources: await digests(
    sources.filter((file) => SOURCES.has(extname(file))),
    repository,
  ),
  built: await digests(await filesBelow(dist), dist),
};
await writeFile(join(dist, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);

// Lets the screen import what the build has made of the mini program.
function servedFromMemory(files) {
  return {
    name: 'mini-program',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^mini-program\./ }, ({ path }) => ({ path, namespace: 'mini-program' }));
      onLoad({ filter: /.*/, namespace: 'mini-program' }, ({ path }) => ({
        contents: files[path],
        loader: extname(path).slice(1),
        resolveDir: here,
      }));
    },
  };
}

async function filesBelow(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const lists = entries
    .filter((entry) => !['node_modules', 'dist'].includes(entry.name))
    .map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
  return (await Promise.all(lists)).flat();
}

async function digests(files, base) {
  const named = files.map((file) => [relative(base, file).replaceAll('\\', '/'), file]);
  named.sort(([one], [other]) => (one < other ? -1 : 1));
  const found = {};
  for (const [name, file] of named) {
    found[name] = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  }
  return found;
}
