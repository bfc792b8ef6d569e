// Reads the events of an invitation (RFC 5545), as much of it as people are shown.

export type When = { at: Date; day: boolean; zone: string }; // at: the wall clock of zone, or this device's when zone is ""
export type Event = {
  summary: string; start: When | null; end: When | null; place: string; organizer: string; people: { name: string; answer: string }[]; words: string; repeats: boolean; cancelled: boolean;
};

type Line = { name: string; params: Record<string, string>; value: string };

const most = 5000; // lines that are read; more is no invitation

// A line may go on after a break and a blank (§3.1).
function lines(text: string): Line[] {
  const out: Line[] = [];
  for (const raw of text.replace(/\r?\n[ \t]/g, '').split(/\r?\n/).slice(0, most)) {
    const m = /^([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)$/.exec(raw);
    if (!m) continue;
    const params: Record<string, string> = {};
    for (const p of m[2]!.matchAll(/;([A-Za-z0-9-]+)=((?:"[^"]*"|[^";,])*)/g)) params[p[1]!.toUpperCase()] = p[2]!.replaceAll('"', '');
    out.push({ name: m[1]!.toUpperCase(), params, value: m[3]! });
  }
  return out;
}

const words = (s: string): string => s.replace(/\\([nN,;\\])/g, (_, c: string) => (c === 'n' || c === 'N' ? '\n' : c));

function when(l: Line): When | null {
  const m = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?$/.exec(l.value.trim());
  if (!m) return null;
  const [y, mo, d, h, mi] = m.slice(1, 6).map((s) => Number(s ?? 0)) as [number, number, number, number, number];
  if (m[7]) return { at: new Date(Date.UTC(y, mo - 1, d, h, mi)), day: false, zone: '' };
  return { at: new Date(y, mo - 1, d, h, mi), day: m[4] === undefined, zone: m[4] === undefined ? '' : l.params.TZID ?? '' };
}

// §3.3.6: P1W, P2DT3H.
function after(start: When, value: string): When | null {
  const m = /^\+?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:\d+S)?)?$/.exec(value.trim());
  if (!m) return null;
  const [w, d, h, mi] = m.slice(1, 5).map((s) => Number(s ?? 0)) as [number, number, number, number];
  return { ...start, at: new Date(start.at.getTime() + (((w * 7 + d) * 24 + h) * 60 + mi) * 60_000) };
}

const person = (l: Line): string => l.params.CN || l.value.replace(/^mailto:/i, '');

/** The events of a calendar file, in its order; the method says whether somebody invites or calls off. */
export function events(text: string): Event[] {
  const out: Event[] = [];
  let e: Event | null = null, inside = 0, method = '';
  for (const l of lines(text)) {
    if (l.name === 'METHOD') method = l.value.toUpperCase();
    if (l.name === 'BEGIN') {
      if (e) inside++; // an alarm, of which nobody is told
      else if (l.value.toUpperCase() === 'VEVENT') e = { summary: '', start: null, end: null, place: '', organizer: '', people: [], words: '', repeats: false, cancelled: method === 'CANCEL' };
    } else if (l.name === 'END' && e) {
      if (inside > 0) inside--;
      else { out.push(e); e = null; }
    } else if (e && inside === 0) {
      switch (l.name) {
        case 'SUMMARY': e.summary = words(l.value); break;
        case 'LOCATION': e.place = words(l.value); break;
        case 'DESCRIPTION': e.words = words(l.value).trim(); break;
        case 'DTSTART': e.start = when(l); break;
        case 'DTEND': e.end = when(l); break;
        case 'DURATION': if (e.start) e.end = after(e.start, l.value); break;
        case 'ORGANIZER': e.organizer = person(l); break;
        case 'ATTENDEE': if (e.people.length < 200) e.people.push({ name: person(l), answer: (l.params.PARTSTAT ?? '').toUpperCase() }); break;
        case 'RRULE': e.repeats = true; break;
        case 'STATUS': if (l.value.toUpperCase() === 'CANCELLED') e.cancelled = true; break;
      }
    }
  }
  return out;
}

/** When it is, as people say it; the last day of a whole-day event is the one before its DTEND (§3.6.1). */
export function said(e: Event, lang: string): string {
  if (!e.start) return '';
  const day = new Intl.DateTimeFormat(lang, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const clock = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });
  const end = e.end && e.start.day ? { ...e.end, at: new Date(e.end.at.getFullYear(), e.end.at.getMonth(), e.end.at.getDate() - 1) } : e.end;
  const same = !end || end.at.toDateString() === e.start.at.toDateString();
  const zone = e.start.zone && e.start.zone !== Intl.DateTimeFormat().resolvedOptions().timeZone ? ` (${e.start.zone})` : '';
  if (e.start.day) return same ? day.format(e.start.at) : `${day.format(e.start.at)} – ${day.format(end!.at)}`;
  const from = `${day.format(e.start.at)}, ${clock.format(e.start.at)}`;
  if (!end || end.at.getTime() === e.start.at.getTime()) return from + zone;
  return `${from} – ${same ? '' : day.format(end.at) + ', '}${clock.format(end.at)}${zone}`;
}
