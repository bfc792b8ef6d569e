// Sealing in the browser: RFC 8188 (aes128gcm). The key never leaves the
// browser but in the fragment of a link, which browsers do not send.
//
// Each file has a salt of its own, so one key serves all files of a transfer.
// Records are sealed by their number: any range of the sealed file can be made
// from the file alone, which is what a resumed upload asks for.

const encoder = new TextEncoder();

export const recordSize = 65536; // sealed, with tag and delimiter
const clearSize = recordSize - 17;
const headerSize = 21;

/** Length of the sealed form of n bytes. */
export function sealedLength(n: number): number {
  const records = Math.max(1, Math.ceil(n / clearSize));
  return headerSize + n + records * 17;
}

export function newKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

export function toText(b: Uint8Array): string {
  let s = '';
  for (const c of b) s += String.fromCharCode(c);
  return btoa(s).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function fromText(s: string): Uint8Array {
  return Uint8Array.from(atob(s.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}

interface Cipher { key: CryptoKey; nonce: Uint8Array }

async function derive(secret: Uint8Array, salt: Uint8Array): Promise<Cipher> {
  const ikm = await crypto.subtle.importKey('raw', secret as BufferSource, 'HKDF', false, ['deriveBits', 'deriveKey']);
  const info = (what: string) => ({ name: 'HKDF', hash: 'SHA-256', salt: salt as BufferSource, info: encoder.encode(`Content-Encoding: ${what}\0`) });
  return {
    key: await crypto.subtle.deriveKey(info('aes128gcm'), ikm, { name: 'AES-GCM', length: 128 }, false, ['encrypt', 'decrypt']),
    nonce: new Uint8Array(await crypto.subtle.deriveBits(info('nonce'), ikm, 96)),
  };
}

function iv(base: Uint8Array, n: number): Uint8Array {
  const out = base.slice();
  for (let i = 11; i > 3 && n > 0; i--, n = Math.floor(n / 256)) out[i] ^= n % 256;
  return out;
}

/** A file that is sealed as it is read. */
export class Sealed {
  readonly size: number;
  private salt = crypto.getRandomValues(new Uint8Array(16));
  private cipher: Promise<Cipher>;

  constructor(private file: Blob, secret: Uint8Array) {
    this.size = sealedLength(file.size);
    this.cipher = derive(secret, this.salt);
  }

  private header(): Uint8Array {
    const h = new Uint8Array(headerSize);
    h.set(this.salt);
    new DataView(h.buffer).setUint32(16, recordSize);
    return h;
  }

  private async record(n: number): Promise<Uint8Array> {
    const { key, nonce } = await this.cipher;
    const at = n * clearSize;
    const clear = new Uint8Array(await this.file.slice(at, at + clearSize).arrayBuffer());
    const padded = new Uint8Array(clear.length + 1);
    padded.set(clear);
    padded[clear.length] = at + clearSize >= this.file.size ? 2 : 1; // RFC 8188 §2: the last record says so
    return new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: iv(nonce, n) as BufferSource }, key, padded));
  }

  /** Bytes of the sealed form, from start to before end. */
  async slice(start: number, end: number): Promise<Blob> {
    end = Math.min(end, this.size);
    const parts: BlobPart[] = [];
    if (start < headerSize) parts.push(this.header().slice(start, Math.min(end, headerSize)));
    let n = Math.max(0, Math.floor((start - headerSize) / recordSize));
    for (; headerSize + n * recordSize < end; n++) {
      const at = headerSize + n * recordSize;
      const r = await this.record(n);
      parts.push(r.slice(Math.max(0, start - at), Math.min(r.length, end - at)) as BlobPart);
    }
    return new Blob(parts);
  }
}

/** Seals a short text, for a file's name. */
export async function sealText(secret: Uint8Array, text: string): Promise<string> {
  const s = new Sealed(new Blob([text]), secret);
  return toText(new Uint8Array(await (await s.slice(0, s.size)).arrayBuffer()));
}

/** Opens what was sealed, record by record; it fails at the first byte that was changed or is missing. */
export function opener(secret: Uint8Array): TransformStream<Uint8Array, Uint8Array> {
  let held = new Uint8Array(0);
  let cipher: Cipher | undefined;
  let n = 0;
  let ended = false;
  const open = async (sealed: Uint8Array, out: TransformStreamDefaultController<Uint8Array>) => {
    if (ended) throw new Error('more after the end');
    const clear = new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: iv(cipher!.nonce, n++) as BufferSource }, cipher!.key, sealed as BufferSource));
    let last = clear.length - 1;
    while (last >= 0 && clear[last] === 0) last--;
    if (last < 0 || clear[last] > 2) throw new Error('a record without its delimiter');
    ended = clear[last] === 2;
    if (last > 0) out.enqueue(clear.subarray(0, last));
  };
  return new TransformStream({
    async transform(chunk, out) {
      const all = new Uint8Array(held.length + chunk.length);
      all.set(held);
      all.set(chunk, held.length);
      let at = 0;
      if (!cipher) {
        if (all.length < headerSize) { held = all; return; }
        if (new DataView(all.buffer).getUint32(16) !== recordSize || all[20] !== 0) throw new Error('another format');
        cipher = await derive(secret, all.slice(0, 16));
        at = headerSize;
      }
      for (; all.length - at >= recordSize; at += recordSize) await open(all.subarray(at, at + recordSize), out);
      held = all.slice(at);
    },
    async flush(out) {
      if (!cipher) throw new Error('no header');
      if (held.length > 0) await open(held, out);
      if (!ended) throw new Error('it ends too early'); // cut off between two records
    },
  });
}

export async function openText(secret: Uint8Array, sealed: string): Promise<string> {
  return new Response(new Blob([fromText(sealed) as BlobPart]).stream().pipeThrough(opener(secret))).text();
}
