import eslint from '@eslint/js';
import vitest from '@vitest/eslint-plugin';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** CONTRIBUTING, "Rooms": what each folder of `src` may import from the others. All may import `problems`. */
const ROOMS = {
  problems: [],
  config: [],
  database: ['config'],
  apps: ['database', 'config'],
  identity: ['apps', 'config'],
  conversations: ['database'],
  signature: ['apps', 'identity', 'conversations'],
  verifier: ['signature'],
  checker: ['apps', 'config', 'http', 'signature'],
  http: ['config'],
  operations: ['http', 'database', 'config', 'apps', 'identity', 'conversations', 'signature'],
  cli: ['config', 'database', 'apps', 'identity', 'conversations', 'signature', 'checker', 'operations'],
};

const rooms = Object.entries(ROOMS).map(([room, imports]) => {
  const allowed = ['problems', ...imports];
  return {
    files: [`src/${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              // Up, and into a folder: another room, or one of the same room, which is named from there.
              regex: `^(?:\\.\\./)+(?!(?:${allowed.join('|')})/)(?:${Object.keys(ROOMS).join('|')})/`,
              message: `${room} may import ${allowed.join(', ')}`,
            },
            { regex: '^(?:\\.\\./)+(?:main|app\\.module)\\.js$', message: 'nothing imports what puts all together' },
          ],
        },
      ],
    },
  };
});

export default defineConfig(
  { ignores: ['**/dist', 'dist.*', '.data', 'migrations/*.mjs'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: 'error',
      curly: ['error', 'multi-line'],
      'no-console': 'error',
      // Nest modules are classes that only carry their decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Nest declares the shapes of its options as classes; they are given as plain objects.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  ...rooms,
  {
    files: ['test/**/*.ts'],
    extends: [vitest.configs.recommended],
    rules: {
      'vitest/no-disabled-tests': 'error',
      // Helpers that hold the assertions of several tests.
      'vitest/expect-expect': [
        'error',
        { assertFunctionNames: ['expect*', 'refused', 'refusedRaw', 'nothingWasLoaded'] },
      ],
      // The second argument is the message.
      'vitest/valid-expect': ['error', { maxArgs: 2 }],
      'vitest/no-standalone-expect': [
        'error',
        { additionalTestBlockFunctions: ['beforeAll', 'beforeEach', 'afterAll', 'afterEach'] },
      ],
      // A property holds under a premise, and some assertions on Linux only.
      'vitest/no-conditional-expect': 'off',
    },
  },
  {
    files: ['examples/**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      parserOptions: { projectService: false },
      globals: { console: false, document: false, FormData: false, process: false, URL: false },
    },
    rules: { 'no-console': 'off' },
  },
);
