// The album page with a script: blurred pictures until the sharp ones are there,
// and a lightbox through the whole album. The page is complete without it.
import { thumbHashToDataURL } from 'thumbhash';
import 'photoswipe/style.css';
import './box.css';
import type { Box } from './box';

const list = document.querySelector<HTMLElement>('.photos[data-box]');

// A picture that is not there yet is shown as what it will be, roughly.
for (const img of list?.querySelectorAll<HTMLImageElement>('img[data-hash]') ?? []) {
  const frame = img.parentElement?.parentElement;
  if (img.complete || !frame || !img.dataset.hash) continue;
  try {
    const bytes = Uint8Array.from(atob(img.dataset.hash), (c) => c.charCodeAt(0));
    frame.style.background = `center / cover url(${thumbHashToDataURL(bytes)})`;
  } catch {
    continue; // a plain frame will do
  }
  img.addEventListener('load', () => { frame.style.background = ''; }, { once: true });
}

if (list) {
  const box: Promise<Box>[] = []; // loaded when it is first wanted
  list.addEventListener('click', async (event) => {
    const frame = (event.target as Element).closest<HTMLAnchorElement>('a.frame');
    if (!frame || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    try {
      box[0] ??= import('./box').then((m) => new m.Box(list));
      (await box[0]).open(frame);
    } catch {
      location.href = frame.href; // the photo's own page
    }
  });
}
