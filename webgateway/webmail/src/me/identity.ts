import type { Id } from '../jmap/client';
import type { Person } from '../jmap/types';
import { t } from './words';

/** An address that the member writes from (RFC 8621 §6). */
export type Identity = { id: Id; name: string; email: string; replyTo: Person[] | null; bcc: Person[] | null; textSignature: string; htmlSignature: string; mayDelete: boolean };

type Refusal = { type: string; description?: string };

/** Why the server did not do it. */
export const sentence = (r: Refusal): string => r.description || (r.type === 'forbiddenFrom' ? t('notYours') : r.type);

const escape = (s: string): string => s.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);

/** A signature as HTML: its lines, then its picture. */
export function html(text: string, picture: string): string {
  const lines = text.trim() ? `<div>${escape(text.trim()).replace(/\n/g, '<br>')}</div>` : '';
  return lines + (picture ? `<div><img src="${picture}" alt=""></div>` : '');
}

/** The picture of a signature that html made. */
export const pictureOf = (signature: string): string => /<img [^>]*src="(data:image\/[^"]+)"/.exec(signature)?.[1] ?? '';

const most = 36_000; // octets, which are 48,000 as text: what the server takes, with room for the words

/** A picture small enough for a signature, as a data: address; null when it is none. */
export async function shrink(file: Blob): Promise<string | null> {
  let image: ImageBitmap;
  try { image = await createImageBitmap(file); } catch { return null; }
  for (let wide = 400; wide >= 60; wide = Math.round(wide * 0.7)) {
    const scale = Math.min(1, wide / image.width, wide / image.height);
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale)));
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
    // PNG keeps a logo without its ground; what is a photo is smaller as JPEG.
    for (const type of file.type === 'image/jpeg' ? ['image/jpeg'] : ['image/png', 'image/jpeg']) {
      const small = await canvas.convertToBlob({ type, quality: 0.85 });
      if (small.size <= most) return await new Promise((yes) => { const r = new FileReader(); r.onload = () => yes(r.result as string); r.readAsDataURL(small); });
    }
  }
  return null;
}
