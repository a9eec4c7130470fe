/*! Contains glass-easel: see glass-easel.LICENSE.txt */

// Runs the pages on glass-easel, WeChat's own open-source component framework: templates, data and
// events behave as on a phone because the code is WeChat's.

import * as glassEasel from 'glass-easel';
import { MiniProgramEnv } from 'glass-easel-miniprogram-adapter';
import { pages, slotTemplate, templates } from 'mini-program.js';
import { defineComponents } from './components.js';

// glass-easel would also pass on the DOM's own input, focus or submit events; the components
// trigger those themselves, with the detail that WeChat gives them.
const POINTER_EVENTS = new Set(['tap', 'touchstart', 'touchmove', 'touchend', 'touchcancel']);

export function createHost(phone) {
  const environment = new MiniProgramEnv();
  const codeSpace = environment.createCodeSpace('', true);
  const slot = { groupList: templates, content: slotTemplate };
  defineComponents(codeSpace.getComponentSpace(), slot, phone);

  for (const [path, page] of Object.entries(pages)) {
    codeSpace.addComponentStaticConfig(path, page.config);
    codeSpace.addCompiledTemplate(path, { groupList: templates, content: templates[path] });
    codeSpace.globalComponentEnv(globalThis, path, page.load);
  }

  const context = new glassEasel.CurrentWindowBackendContext();
  context.onEvent(passOn);
  const backend = environment.associateBackend(context);

  return {
    configOf: (path) => pages[path].config,
    has: (path) => path in pages,
    create(path, mount) {
      const root = backend.createRoot('page', codeSpace, path);
      const placeholder = mount.appendChild(document.createElement('page'));
      root.attach(mount, placeholder);
      root.getComponent().getBackendElement().setAttribute('is', path);
      return root;
    },
  };
}

function passOn(target, type, detail, options) {
  if (!POINTER_EVENTS.has(type)) return glassEasel.EventBubbleStatus.Normal;
  const event = new glassEasel.Event(type, detail, options);
  glassEasel.Event.dispatchEvent(target, event);
  const { NoDefault, Normal } = glassEasel.EventBubbleStatus;
  return event.defaultPrevented() ? NoDefault : Normal;
}
