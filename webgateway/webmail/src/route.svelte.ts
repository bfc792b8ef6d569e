// Where the member is, in the browser's address: the back button of a phone
// leaves a message, and an address that is kept opens the same thing again.
//
//	#/                  the inbox             #/f/FOLDER            a folder
//	#/f/FOLDER/m/EMAIL  a message in it       #/s/WORDS[/m/EMAIL]   a search
//	#/albums/…          another area, which reads the rest by itself
export type Area = 'mail' | 'albums' | 'transfers' | 'contacts' | 'me';
const areas: Area[] = ['mail', 'albums', 'transfers', 'contacts', 'me'];

export type MailPlace = { folder: string | null; search: string; email: string | null };

const pieces = (): string[] => location.hash.replace(/^#\/?/, '').split('/').map((s) => { try { return decodeURIComponent(s); } catch { return ''; } });

class Route {
  #pieces = $state.raw(pieces());

  constructor() { addEventListener('popstate', () => { this.#pieces = pieces(); }); }

  get area(): Area { return areas.find((a) => a !== 'mail' && a === this.#pieces[0]) ?? 'mail'; }

  /** What follows the area's name: ['ID', …]. */
  get rest(): string[] { return this.#pieces.slice(1).filter((s) => s !== ''); }

  get mail(): MailPlace {
    const p = this.#pieces, at = p.indexOf('m', 2);
    return { folder: p[0] === 'f' ? p[1] || null : null, search: p[0] === 's' ? p[1] ?? '' : '', email: at > 0 ? p[at + 1] || null : null };
  }

  /** Goes to an address; replace leaves no step back. */
  go(to: string[], replace = false): void {
    const hash = '#/' + to.map(encodeURIComponent).join('/');
    if (hash !== (location.hash || '#/')) history[replace ? 'replaceState' : 'pushState'](null, '', hash);
    this.#pieces = pieces();
  }

  /** Says where in the mail the member is now; from message to message is no step of its own. */
  inMail(p: MailPlace): void {
    const now = this.mail;
    if (now.folder === p.folder && now.search === p.search && now.email === p.email) return;
    const list = p.search ? ['s', p.search] : p.folder ? ['f', p.folder] : [];
    const typing = now.search !== '' && p.search !== '';
    this.go(p.email ? [...(list.length > 0 ? list : ['f', '']), 'm', p.email] : list, (now.email !== null && p.email !== null) || typing);
  }
}

export const route = new Route();
