import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = ['.', 'bench', 'docs', 'docs/clients', 'docs/zh', 'spec']
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name)))
  .filter((path) => path.endsWith('.md'));

/** Without code, in which brackets are no links. */
function prose(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/^```.*?^```$/gms, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]]/g, ''));
}

function anchorsOf(file: string): Set<string> {
  const slugger = new GithubSlugger();
  return new Set(
    [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slugger.slug(title.replaceAll('`', ''))),
  );
}

function linksOf(file: string): string[] {
  return [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

describe('the documentation', () => {
  it.each(PAGES.map((file) => [relative(ROOT, file), file]))(
    '%s: every link leads to a file and a heading',
    (_, file) => {
      const broken = linksOf(file).filter((target) => {
        if (/^https?:/.test(target)) return false;
        const [path = '', anchor] = target.split('#');
        const page = path === '' ? file : join(dirname(file), path);
        return !existsSync(page) || (anchor !== undefined && !anchorsOf(page).has(decodeURIComponent(anchor)));
      });
      expect(broken).toEqual([]);
    },
  );

  it('every page is reached from the README', () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const target of linksOf(file)) {
        const page = join(dirname(file), target.split('#')[0] ?? '');
        if (page.endsWith('.md') && existsSync(page)) visit(page);
      }
    };
    visit(join(ROOT, 'README.md'));
    expect(PAGES.filter((page) => !reached.has(page)).map((page) => relative(ROOT, page))).toEqual([]);
  });

  it('the README is a front page of at most 150 lines', () => {
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(150);
  });
});
