// Reads a native mini program and gives it back as the two modules that the screen imports:
// mini-program.js (configuration, templates, a loader for each page) and mini-program.css.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TmplGroup } from 'glass-easel-template-compiler';

const SLOT = 'slot';

export async function readMiniProgram(folder) {
  const app = JSON.parse(await readFile(join(folder, 'app.json'), 'utf8'));
  const templates = new TmplGroup();
  addTemplate(templates, SLOT, '<slot />');

  const loaders = [];
  const sheets = [scoped('page', await textOf(folder, 'app.wxss'))];
  for (const page of app.pages) {
    const config = JSON.parse((await textOf(folder, `${page}.json`)) || '{}');
    if (Object.keys(config.usingComponents ?? {}).length) {
      throw new Error(`${page} uses components, and this build knows pages only`);
    }
    addTemplate(templates, page, await textOf(folder, `${page}.wxml`));
    sheets.push(scoped(`page[is="${page}"]`, await textOf(folder, `${page}.wxss`)));
    const script = JSON.stringify(join(folder, `${page}.js`));
    loaders.push(
      `${JSON.stringify(page)}: { config: ${JSON.stringify(config)}, load: () => require(${script}) }`,
    );
  }

  const script = `
    export const app = ${JSON.stringify(app)}
    export const loadApp = () => require(${JSON.stringify(join(folder, 'app.js'))})
    export const pages = { ${loaders.join(',\n')} }
    export const templates = ${templates.getTmplGenObjectGroups()}
    export const slotTemplate = templates[${JSON.stringify(SLOT)}]
  `;
  templates.free();
  return { 'mini-program.js': script, 'mini-program.css': sheets.join('\n') };
}

async function textOf(folder, name) {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (fault) {
    // Only the script of a page must exist, and its absence stops esbuild.
    if (fault.code === 'ENOENT') return '';
    throw fault;
  }
}

function addTemplate(templates, path, wxml) {
  const faults = templates.addTmpl(path, wxml);
  if (faults.length) {
    const places = faults.map(({ message, startLine }) => `line ${startLine + 1}: ${message}`);
    throw new Error(`${path}.wxml: ${places.join('; ')}`);
  }
}

// A page's style concerns no other page, and `page` is the element around all of it. The units are
// those of WeChat's screen, where 750rpx are the width and 100vh end below the navigation bar.
function scoped(selector, wxss) {
  if (/@(import|keyframes|font-face)/.test(wxss)) {
    throw new Error(`${selector}: this build knows no @import, @keyframes or @font-face`);
  }
  const style = wxss
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(-?[\d.]+)(rpx|vh)\b/g, 'calc($1 * var(--$2))')
    .replace(/(^|[},])(\s*)page(?=[\s,{])/g, '$1$2&');
  return `${selector} {\n${style}\n}`;
}
