// The third wall. The server made the page of a mail harmless, and its policy and
// sandbox run nothing; this looks at what came out as a browser sees it, with the
// eyes of others (DOMPurify), and takes out what they would not let pass. Nothing
// is made of text here: a page in srcdoc would be under the app's own policy,
// which has no place for the styles of mails, and that policy is not loosened.
import createPurifier, { type Config } from 'dompurify';

const config: Config & { IN_PLACE: true } = {
  IN_PLACE: true, USE_PROFILES: { html: true }, ALLOW_DATA_ATTR: false,
  // Links that leave, and what old mails have in their tables and lists.
  ADD_ATTR: ['target', 'hspace', 'vspace', 'noshade', 'scope', 'headers', 'abbr', 'start', 'reversed', 'type', 'cellpadding', 'cellspacing', 'bgcolor', 'valign', 'nowrap', 'datetime'],
  FORBID_TAGS: ['form', 'input', 'button', 'textarea', 'select', 'option', 'audio', 'video', 'source', 'track', 'dialog', 'map', 'area', 'canvas', 'template', 'slot'],
  FORBID_ATTR: ['id', 'name', 'srcset', 'background', 'popover', 'popovertarget'],
};

/** Purifies the page in a frame; returns the names of what was taken out. */
export function purify(frame: Window): string[] {
  const purifier = createPurifier(frame as Window & typeof globalThis);
  purifier.sanitize(frame.document.body, config);
  return purifier.removed.map((r) => ('attribute' in r ? `${r.from?.nodeName}[${r.attribute?.name}]` : r.element.nodeName).toLowerCase());
}
