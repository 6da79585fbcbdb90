import { defineConfig } from 'vite';

/** Run by `postbuild`. */
export default defineConfig({
  base: '/checker/',
  publicDir: false,
  envDir: false,
  logLevel: 'warn',
  build: {
    outDir: '../../../dist.new/src/checker/page',
    emptyOutDir: true,
    assetsDir: '',
    // The page's policy allows no `data:`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { entryFileNames: 'page.js', assetFileNames: 'page[extname]' } },
  },
});
