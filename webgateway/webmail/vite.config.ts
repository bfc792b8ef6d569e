import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Everything lands in dist/, which the gateway embeds. Names carry a hash: the
// files never change, and are cached for ever.
export default defineConfig({
  plugins: [svelte()],
  base: '/mail/',
  build: {
    outDir: 'dist', emptyOutDir: true, manifest: 'manifest.json', target: ['es2022', 'safari15.4'], modulePreload: { polyfill: false }, assetsInlineLimit: 0,
    rollupOptions: { input: 'src/main.ts' },
  },
});
