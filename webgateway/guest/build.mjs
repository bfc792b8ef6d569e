// Builds the scripts of the guests' pages into the gateway's assets: every
// src/NAME.ts that is listed here becomes built/NAME.js, and built/NAME.css when
// it imports styles. What is loaded only when it is wanted becomes a chunk.
import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const here = import.meta.dirname;
const out = join(here, '../page/assets/built');
const pages = ['album', 'upload', 'sealed'].map((name) => join(here, 'src', `${name}.ts`)).filter(existsSync);

const result = await build({
  entryPoints: pages, outdir: out, bundle: true, splitting: true, format: 'esm', minify: true, write: true,
  chunkNames: 'chunk-[hash]', metafile: true, legalComments: 'none', logLevel: 'warning',
  // Tablets of 2014 stopped at iOS 12; older ones take the pages without a script.
  target: ['es2018', 'safari12', 'chrome67', 'firefox67'],
  supported: { destructuring: true }, // what Safari had wrong was a corner nobody writes
});

// What an earlier build left is not served for ever.
const made = new Set(Object.keys(result.metafile.outputs).map((p) => p.slice(p.lastIndexOf('/') + 1)));
for (const name of readdirSync(out)) if (!made.has(name)) rmSync(join(out, name));

for (const name of [...made].sort()) {
  const bytes = readFileSync(join(out, name));
  console.log(`${name}: ${(bytes.length / 1000).toFixed(1)} kB, ${(gzipSync(bytes, { level: 9 }).length / 1000).toFixed(1)} kB gzipped`);
}
