// Leaving a list with one button (RFC 2369, RFC 8058).
import { speak } from '../i18n';
import type { Email } from '../jmap/types';
import { box } from './box.svelte';
import { sheets } from './sheets.svelte';

const { t } = speak({
  fr: { done: 'Vous êtes désabonné de cette liste.', asked: 'La demande est prête : envoyez-la.', subject: 'Désabonnement', refused: 'La liste n’a pas répondu comme il faut. Vous pouvez essayer par sa page.' },
  en: { done: 'You are unsubscribed from this list.', asked: 'The request is ready: send it.', subject: 'Unsubscribe', refused: 'The list did not answer properly. You can try on its page.' },
});

export type Way = { oneClick: boolean; page: string | null; mail: string | null };

/** How the list that sent email can be left; null when it says no way. */
export function wayOut(email: Email): Way | null {
  const urls = email['header:List-Unsubscribe:asURLs'] ?? [];
  const page = urls.find((u) => /^https:\/\//i.test(u)) ?? null;
  const mail = urls.find((u) => /^mailto:/i.test(u)) ?? null;
  if (!page && !mail) return null;
  const proven = email.proof?.level === 'proven' || email.proof?.level === 'forwarded' || email.proof?.level === 'member';
  return { oneClick: proven && page !== null && /^\s*List-Unsubscribe\s*=\s*One-Click\s*$/i.test(email['header:List-Unsubscribe-Post:asText'] ?? ''), page, mail };
}

/** Leaves it: our server asks the list's, else a mail is made ready, else its page opens. */
export async function leave(email: Email, way: Way): Promise<void> {
  if (way.oneClick) {
    const got = await box.try(() => box.client.call('Email/unsubscribe', { emailId: email.id }));
    if (got) box.say({ text: got.done ? t('done') : t('refused') });
    if (!got || got.done) return;
  }
  if (way.mail) {
    const url = new URL(way.mail), q = url.searchParams;
    sheets.write({ to: decodeURIComponent(url.pathname), subject: q.get('subject') ?? t('subject'), text: q.get('body') ?? '' });
    box.say({ text: t('asked') });
  } else if (way.page) window.open(way.page, '_blank', 'noopener,noreferrer');
}
