import { gzipSync } from 'node:zlib';
import { defineConfig, minifySync } from 'vite';

/** Minified and gzipped. What an app pays for the package. */
const MAX_BYTES = 3 * 1024;

export default defineConfig({
  root: import.meta.dirname,
  build: {
    // Async functions, and no later syntax: what mini programs on old phones run.
    target: 'es2017',
    // Left to the app's build, so that a debugger shows what is here.
    minify: false,
    lib: {
      entry: 'src/index.ts',
      formats: ['es', 'cjs'],
      fileName: (format) => `${format === 'es' ? 'esm' : 'cjs'}/index.js`,
    },
  },
  plugins: [
    {
      // The package says that its files are ES modules; these are not.
      name: 'module-type',
      generateBundle({ format }) {
        if (format !== 'cjs') return;
        this.emitFile({ type: 'asset', fileName: 'cjs/package.json', source: '{ "type": "commonjs" }\n' });
      },
    },
    {
      name: 'size',
      generateBundle({ format }, bundle) {
        for (const chunk of Object.values(bundle)) {
          if (format !== 'es' || chunk.type !== 'chunk') continue;
          const bytes = gzipSync(minifySync('index.js', chunk.code).code).length;
          this.info(`${bytes} bytes, minified and gzipped`);
          if (bytes > MAX_BYTES) this.error(`The package may have ${MAX_BYTES} bytes`);
        }
      },
    },
  ],
});
