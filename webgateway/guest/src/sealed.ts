// Opens sealed files in the browser: the key is in the fragment of the address.
import { fromText, openText, opener } from './seal';

// More than this is written to the disk as it comes, where the browser can.
const inMemory = 256 << 20;

const box = document.getElementById('locked');
const list = document.getElementById('sealed');
if (box && list) void start(box, list);

async function start(box: HTMLElement, list: HTMLElement) {
  const say = box.dataset as Record<string, string>;
  const links = [...list.querySelectorAll<HTMLAnchorElement>('a[data-seal]')];
  if (!globalThis.crypto?.subtle || typeof TransformStream === 'undefined') {
    box.textContent = say.sayOld;
    return;
  }
  let key: Uint8Array;
  try {
    key = fromText(location.hash.slice(1));
    if (key.length !== 16) throw new Error('no key');
    for (const a of links) {
      const [name, type] = JSON.parse(await openText(key, a.dataset.seal!)) as [string, string];
      a.textContent = a.download = name;
      a.dataset.type = type;
    }
  } catch {
    box.textContent = say.sayNokey;
    return;
  }
  box.textContent = say.sayOpen;
  for (const a of links) {
    a.addEventListener('click', async (e) => {
      e.preventDefault();
      if (a.getAttribute('aria-busy')) return;
      a.setAttribute('aria-busy', 'true');
      box.textContent = say.sayOpening;
      try {
        await save(a, key);
        box.textContent = say.sayOpen;
      } catch (err) {
        if ((err as Error).name !== 'AbortError') box.textContent = say.sayDamaged;
      }
      a.removeAttribute('aria-busy');
    });
  }
}

interface Picker { showSaveFilePicker?(o: { suggestedName: string }): Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }> }

async function save(a: HTMLAnchorElement, key: Uint8Array) {
  const picker = window as Picker;
  // Asked for first: browsers let a click open it, not what comes later.
  const file = Number(a.dataset.size) > inMemory && picker.showSaveFilePicker ? await picker.showSaveFilePicker({ suggestedName: a.download }) : undefined;
  // A press of the button counts; when the host counts nothing, the file is had as it is.
  let answer = await fetch(a.dataset.get!, { method: 'POST' });
  if (answer.status === 404 || answer.status === 405) answer = await fetch(a.href);
  if (!answer.ok || !answer.body) throw new Error(`${answer.status}`);
  const clear = answer.body.pipeThrough(opener(key) as TransformStream<Uint8Array<ArrayBuffer>, Uint8Array>);
  if (file) {
    await clear.pipeTo(await file.createWritable());
    return;
  }
  // Nothing is handed over before the last record proved that it is the last.
  const whole = await new Response(clear as BodyInit).blob();
  const at = URL.createObjectURL(new Blob([whole], { type: 'application/octet-stream' }));
  const out = document.createElement('a');
  out.href = at;
  out.download = a.download;
  out.click();
  setTimeout(() => URL.revokeObjectURL(at), 60_000);
}
