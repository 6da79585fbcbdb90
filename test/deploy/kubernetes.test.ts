import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const FOLDER = resolve(import.meta.dirname, '../../deploy/kubernetes');
/** Where `kubernetes-types` has the type of a kind. */
const MODULES: Record<string, string> = {
  Deployment: 'apps/v1',
  Service: 'core/v1',
  PodDisruptionBudget: 'policy/v1',
  Job: 'batch/v1',
};

const manifests = readdirSync(FOLDER).filter((file) => file !== 'kustomization.yaml');
const textOf = (file: string) => readFileSync(join(FOLDER, file), 'utf8');

/** What the compiler says of manifests as values of their types, by name: misspelt fields, and wrong kinds of values. */
function faultsOf(texts: Readonly<Record<string, string>>): Record<string, string[]> {
  const sources = new Map<string, string>();
  for (const [name, text] of Object.entries(texts)) {
    const manifest = parse(text) as { kind: string };
    const type = `import type { ${manifest.kind} } from 'kubernetes-types/${MODULES[manifest.kind] ?? ''}';`;
    const value = `export const manifest: ${manifest.kind} = ${JSON.stringify(manifest)};`;
    sources.set(join(import.meta.dirname, `${name}.ts`), `${type}\n${value}`);
  }
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const fromDisk = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) => {
    const source = sources.get(name);
    return source === undefined ? fromDisk(name, ...rest) : ts.createSourceFile(name, source, ts.ScriptTarget.ESNext);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const found = Object.keys(texts).map((name) => {
    const file = program.getSourceFile(join(import.meta.dirname, `${name}.ts`));
    const said = ts.getPreEmitDiagnostics(program, file).map(({ messageText }) => messageText);
    return [name, said.map((text) => ts.flattenDiagnosticMessageText(text, '\n'))] as const;
  });
  return Object.fromEntries(found);
}

describe('the manifests for Kubernetes', () => {
  it('have only fields that Kubernetes knows, and a misspelt one would be found', () => {
    const texts = Object.fromEntries(manifests.map((file) => [file, textOf(file)]));
    const misspelt = textOf('deployment.yaml').replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem');
    const { 'misspelt.yaml': found, ...faults } = faultsOf({ ...texts, 'misspelt.yaml': misspelt });
    expect(faults).toEqual(Object.fromEntries(manifests.map((file) => [file, []])));
    expect(found?.join()).toContain('readOnlyRootFileSystem');
  });

  it('are all listed in the kustomization', () => {
    const { resources } = parse(textOf('kustomization.yaml')) as { resources: string[] };
    expect(resources.toSorted()).toEqual(manifests.toSorted());
  });
});
