// Handing files in: several at once, dragged or chosen, with progress, going on
// after a broken line or a reload. Without this script the page's form does it
// in one go.
import { DetailedError, Upload } from 'tus-js-client';
import { Sealed, newKey, sealText, toText } from './seal';

const form = document.querySelector<HTMLFormElement>('form[data-hand]');
if (form) start(form);

/** One file on its way. */
interface Item {
  file: File;
  row: HTMLLIElement;
  bar: HTMLProgressElement;
  state: HTMLElement;
  again: HTMLButtonElement;
  upload?: Upload;
  secret: string; // of the whole upload; '' while it comes
  failed: boolean;
}

function start(form: HTMLFormElement) {
  const say = form.dataset as Record<string, string>;
  const input = form.querySelector<HTMLInputElement>('input[type=file]')!;
  const button = form.querySelector<HTMLButtonElement>('button.big')!;
  const limit = Number(say.max);
  const items: Item[] = [];
  let wanted = false; // the button was pressed: hand in when all is there
  let secret: Uint8Array | undefined; // files are sealed with it

  const list = make('ul', 'files uploads');
  const status = make('p', 'hint');
  status.setAttribute('role', 'status');
  const drop = make('p', 'hint drop');
  drop.textContent = say.sayDrop;
  (form.querySelector('.limit') ?? input.closest('p'))!.after(drop, list, status);
  const box = sealing();

  input.addEventListener('change', () => {
    add(input.files!);
    input.value = ''; // the same file may be chosen again
  });
  // The whole page takes files: nobody aims well.
  document.addEventListener('dragover', (e) => {
    if (!e.dataTransfer?.types.includes('Files')) return;
    e.preventDefault();
    drop.classList.add('over');
  });
  for (const over of ['dragleave', 'drop']) document.addEventListener(over, () => drop.classList.remove('over'));
  document.addEventListener('drop', (e) => {
    if (!e.dataTransfer?.files.length) return;
    e.preventDefault();
    add(e.dataTransfer.files);
  });
  form.addEventListener('submit', (e) => {
    if (!items.length) return; // the server says what is missing
    e.preventDefault();
    wanted = true;
    button.setAttribute('aria-busy', 'true');
    status.textContent = say.saySending;
    for (const item of items) if (item.failed) again(item);
    next();
  });
  window.addEventListener('beforeunload', (e) => {
    if (items.some((i) => !i.secret && !i.failed)) e.preventDefault();
  });

  function sealing(): HTMLInputElement | undefined {
    if (!('own' in form.dataset) || !globalThis.crypto?.subtle) return undefined; // plain HTTP has none
    const box = make('input') as HTMLInputElement;
    box.type = 'checkbox';
    box.id = 'seal';
    const label = make('label', 'check') as HTMLLabelElement;
    label.append(box, ' ', say.saySeal);
    const why = make('p', 'hint');
    why.textContent = say.saySealText;
    why.hidden = true;
    status.after(label, why);
    box.addEventListener('change', () => {
      why.hidden = !box.checked;
      secret = box.checked ? newKey() : undefined;
      const guests = form.querySelector<HTMLTextAreaElement>('#guests');
      if (guests) guests.closest('p')!.hidden = guests.disabled = box.checked; // no link can be mailed: it lacks the key
      for (const item of items) restart(item); // what came in the clear is taken back
    });
    return box;
  }

  function add(files: FileList) {
    for (const file of files) {
      const row = make('li') as HTMLLIElement;
      const name = make('span', 'name');
      name.textContent = file.name;
      name.id = `f${items.length}-${Date.now()}`;
      const size = make('span', 'size');
      size.textContent = bytes(file.size);
      const bar = make('progress') as HTMLProgressElement;
      bar.max = Math.max(file.size, 1);
      bar.value = 0;
      bar.setAttribute('aria-labelledby', name.id);
      const state = make('span', 'state');
      const again_ = make('button', 'button quiet') as HTMLButtonElement;
      again_.type = 'button';
      again_.textContent = say.sayAgain;
      again_.hidden = true;
      const remove = make('button', 'button quiet') as HTMLButtonElement;
      remove.type = 'button';
      remove.textContent = say.sayRemove;
      remove.setAttribute('aria-label', `${say.sayRemove} ${file.name}`);
      row.append(name, size, state, bar, again_, remove);
      list.append(row);
      const item: Item = { file, row, bar, state, again: again_, secret: '', failed: false };
      items.push(item);
      again_.addEventListener('click', () => { again(item); next(); });
      remove.addEventListener('click', () => {
        item.upload?.abort(true).catch(() => {});
        items.splice(items.indexOf(item), 1);
        row.remove();
        input.focus();
        next();
      });
      if (file.size > limit) fail(item, say.sayBig);
      else state.textContent = say.sayWaits;
    }
    next();
  }

  function again(item: Item) {
    item.failed = false;
    item.again.hidden = true;
    item.upload = undefined;
    item.state.textContent = say.sayWaits;
  }

  function restart(item: Item) {
    if (item.file.size > limit) return;
    item.upload?.abort(true).catch(() => {});
    item.secret = '';
    again(item);
    next();
  }

  function fail(item: Item, why: string) {
    item.failed = true;
    item.state.textContent = why;
    item.again.hidden = item.file.size > limit;
    wanted = false;
    button.removeAttribute('aria-busy');
    status.textContent = `${item.file.name} — ${why}`;
  }

  // next keeps two files coming, and hands in when it is time.
  function next() {
    const waiting = items.filter((i) => !i.secret && !i.failed);
    let running = waiting.filter((i) => i.upload).length;
    for (const item of waiting) {
      if (running >= 2) break;
      if (!item.upload) {
        running++;
        void send(item);
      }
    }
    if (wanted && items.length && items.every((i) => i.secret)) handIn();
  }

  async function send(item: Item) {
    const { file } = item;
    const key = secret;
    const sealed = key && new Sealed(file, key);
    const upload: Upload = new Upload(file, {
      endpoint: say.hand,
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000, 60000, 60000],
      metadata: key
        ? { filename: say.saySealedName, filetype: 'application/octet-stream', seal: await sealText(key, JSON.stringify([file.name, file.type])) }
        : { filename: file.name, filetype: file.type },
      // A sealed file is not gone on with after a reload: its key went with the page.
      storeFingerprintForResuming: !key,
      ...(sealed && {
        chunkSize: 8 << 20,
        uploadSize: sealed.size,
        fileReader: { openFile: async () => ({ size: sealed.size, close() {}, slice: async (a: number, b: number) => ({ value: await sealed.slice(a, b), done: b >= sealed.size }) }) },
      }),
      onShouldRetry(err) {
        const code = err.originalResponse?.getStatus() ?? 0;
        return code === 0 || code >= 500 && code !== 507 || code === 409 || code === 423 || code === 429;
      },
      onProgress(sent, all) {
        item.bar.max = all || 1;
        item.bar.value = sent;
        item.state.textContent = say.sayProgress + ' ' + new Intl.NumberFormat(document.documentElement.lang, { style: 'percent' }).format(all ? sent / all : 0);
      },
      onError(err) {
        if (item.upload !== upload) return;
        const said = err instanceof DetailedError ? err.originalResponse?.getBody() : '';
        fail(item, said || say.sayFailed);
        next();
      },
      onSuccess() {
        if (item.upload !== upload) return;
        item.secret = upload.url!.replace(/.*\//, '');
        item.bar.value = item.bar.max;
        item.state.textContent = say.sayDone;
        status.textContent = `${file.name} — ${say.sayDone}`;
        next();
      },
    });
    item.upload = upload;
    if (!key) {
      const before = await upload.findPreviousUploads();
      if (before.length) upload.resumeFromPreviousUpload(before[0]);
    }
    if (item.upload === upload) upload.start();
  }

  function handIn() {
    wanted = false;
    for (const item of items) {
      const hidden = make('input') as HTMLInputElement;
      hidden.type = 'hidden';
      hidden.name = 'upload';
      hidden.value = item.secret;
      form.append(hidden);
    }
    // The tokens are of no use any more, and a later visit must not go on with them.
    for (const k of Object.keys(localStorage)) if (k.startsWith('tus::')) localStorage.removeItem(k);
    if (secret) sessionStorage.setItem('key', toText(secret));
    else sessionStorage.removeItem('key');
    input.disabled = true;
    if (box) box.disabled = true;
    form.enctype = 'application/x-www-form-urlencoded';
    form.submit();
  }
}

// The page after a sealed hand-in: the link gets its key, which only this browser has.
const share = document.querySelector<HTMLAnchorElement>('a#share[data-sealed]');
const key = sessionStorage.getItem('key');
if (share && key) {
  share.href += `#${key}`;
  share.textContent = share.href;
  const say = share.dataset as Record<string, string>;
  const copy = make('button', 'button') as HTMLButtonElement;
  copy.textContent = say.sayCopy;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(share.href);
    copy.textContent = say.sayCopied;
  });
  const write = make('a', 'button quiet') as HTMLAnchorElement;
  write.textContent = say.sayWrite;
  write.href = `mailto:?body=${encodeURIComponent(share.href)}`;
  const row = make('div', 'actions');
  row.append(copy, write);
  share.closest('p')!.after(row);
}

function make(tag: string, name = ''): HTMLElement {
  const e = document.createElement(tag);
  if (name) e.className = name;
  return e;
}

function bytes(n: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  let i = 0;
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit: units[i], unitDisplay: 'short', maximumFractionDigits: n < 10 && i ? 1 : 0 }).format(n);
}
