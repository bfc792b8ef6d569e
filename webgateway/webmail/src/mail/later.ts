// When a mail that is put aside comes back.
import { clock, lang, speak } from '../i18n';

export const { t, count } = speak({
  fr: {
    later: 'Plus tard', laterWhen: 'Me le remontrer', today: 'Ce soir', tomorrow: 'Demain matin', weekend: 'Samedi matin', week: 'Lundi matin', choose: 'Choisir le jour et l’heure', ok: 'Mettre de côté',
    put: ['Le message reviendra {when}.', '{n} messages reviendront {when}.'], back: ['Le message est revenu.', '{n} messages sont revenus.'], wakeNow: 'Remettre maintenant', until: 'Revient {when}',
    pin: 'Épingler', unpin: 'Détacher', pinned: 'Épinglé', mute: 'Mettre en sourdine', unmute: 'Écouter à nouveau', muted: ['Conversation en sourdine : ses réponses n’apparaîtront plus ici.', '{n} conversations en sourdine : leurs réponses n’apparaîtront plus ici.'], fresh: 'De retour', past: 'Cette heure est passée.', others: 'Autres…',
  },
  en: {
    later: 'Later', laterWhen: 'Show it again', today: 'This evening', tomorrow: 'Tomorrow morning', weekend: 'Saturday morning', week: 'Monday morning', choose: 'Choose a day and time', ok: 'Put aside',
    put: ['The message will come back {when}.', '{n} messages will come back {when}.'], back: ['The message is back.', '{n} messages are back.'], wakeNow: 'Bring back now', until: 'Comes back {when}',
    pin: 'Pin', unpin: 'Unpin', pinned: 'Pinned', mute: 'Mute', unmute: 'Unmute', muted: ['Conversation muted: its answers will not appear here any more.', '{n} conversations muted: their answers will not appear here any more.'], fresh: 'Back', past: 'That time is past.', others: 'More…',
  },
});

const at = (now: Date, days: number, hour: number): Date => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);

/** What is offered; this evening while it is far enough away. */
export function hours(now = new Date()): { name: string; when: Date }[] {
  const day = now.getDay(); // 0 is Sunday
  const out = [{ name: t('tomorrow'), when: at(now, 1, 8) }];
  if (now.getHours() < 17) out.unshift({ name: t('today'), when: at(now, 0, 19) });
  if (day >= 1 && day <= 4) out.push({ name: t('weekend'), when: at(now, 6 - day, 9) });
  if (day !== 0) out.push({ name: t('week'), when: at(now, 8 - day, 8) });
  return out;
}

const weekday = new Intl.DateTimeFormat(lang, { weekday: 'long', day: 'numeric', month: 'long' });

/** An hour to come, as people say it. */
export function said(when: Date, now = new Date()): string {
  if (when.toDateString() === now.toDateString()) return `${lang === 'fr' ? 'à' : 'at'} ${clock(when)}`;
  return `${lang === 'fr' ? '' : 'on '}${weekday.format(when)}, ${clock(when)}`;
}

/** Now, as a field for day and time wants it. */
export const local = (d: Date): string => new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
