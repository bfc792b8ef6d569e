// A JMAP client (RFC 8620): calls in one request, and news of what changed.

export type Id = string;
export type Args = Record<string, unknown>;
export type Call = [name: string, args: Args, id?: string];
export type Answer = { name: string; args: any };

/** What one method call failed with (RFC 8620 §3.6.2). */
export class MethodError extends Error {
  constructor(readonly type: string, readonly description: string) { super(description || type); }
}

/** The server was not reached, or is not there for us now. */
export class Offline extends Error {}

export type Session = { apiUrl: string; uploadUrl: string; downloadUrl: string; eventSourceUrl: string; username: string; primaryAccounts: Record<string, Id>; accounts: Record<Id, { accountCapabilities: Record<string, any> }>; capabilities: Record<string, any> };

const using = [...['core', 'mail', 'submission', 'vacationresponse', 'quota', 'contacts', 'webpush-vapid'].map((s) => 'urn:ietf:params:jmap:' + s), ...['mail', 'contacts', 'sharing'].map((s) => 'urn:colporteur:params:jmap:' + s)];

// The addresses in the session are the public ones; we speak to where we came from.
export const here = (url: string) => url.replace(/^https?:\/\/[^/]+/, '');

export class Client {
  session!: Session;
  account!: Id;
  #using: string[] = [];
  /** Runs when the session has ended, before the door opens. */
  ended: () => Promise<void> = () => Promise.resolve();

  async open(): Promise<void> {
    this.resume(await (await this.#fetch('/jmap/session')).json());
  }

  /** Begins with a session of before. */
  resume(session: Session): void {
    this.session = session;
    this.account = this.session.primaryAccounts['urn:ietf:params:jmap:mail']!;
    this.#using = using.filter((u) => u in this.session.capabilities);
  }

  has(capability: string): boolean { return capability in this.session.capabilities; }

  /** What the server says about mail in the member's account (RFC 8621 §1.3.1). */
  get limits(): Record<string, any> { return this.session.accounts[this.account]?.accountCapabilities['urn:ietf:params:jmap:mail'] ?? {}; }

  /** Sends calls together; a failure of any is thrown. */
  async calls(...calls: Call[]): Promise<any[]> {
    const body = JSON.stringify({ using: this.#using, methodCalls: calls.map(([name, args, id], i) => [name, this.#whole(name, args), id ?? String(i)]) });
    const answer = await (await this.#fetch(here(this.session.apiUrl), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).json();
    return answer.methodResponses.map(([name, args]: [string, any]) => {
      if (name === 'error') throw new MethodError(args.type, args.description ?? '');
      return args;
    });
  }

  // Where news are pushed to is of whoever is signed in, of no account (RFC 8620 §7.2).
  #whole(name: string, args: Args): Args { return name.startsWith('PushSubscription/') ? args : { accountId: this.account, ...args }; }

  async call(name: string, args: Args): Promise<any> { return (await this.calls([name, args]))[0]; }

  /** Where files are sent up to. */
  uploads(): string { return here(this.session.uploadUrl).replace('{accountId}', this.account); }

  /** Sends a file up, and says which part of it has left; fetch knows nothing of that. */
  upload(file: Blob, far: (part: number) => void = () => {}): Promise<{ blobId: Id; type: string; size: number }> {
    return new Promise((yes, no) => {
      const r = new XMLHttpRequest();
      r.open('POST', this.uploads());
      r.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
      r.upload.onprogress = (e) => { if (e.lengthComputable) far(e.loaded / e.total); };
      r.onload = () => { if (r.status < 300) yes(JSON.parse(r.responseText)); else no(r.status >= 500 || r.status === 429 ? new Offline() : new Error(`${r.status}`)); };
      r.onerror = () => no(new Offline());
      r.send(file);
    });
  }

  /** Where a blob is had. */
  blob(id: Id, name: string, type: string): string {
    const part = (s: string) => encodeURIComponent(s);
    return here(this.session.downloadUrl).replace('{accountId}', this.account).replace('{blobId}', part(id)).replace('{name}', part(name || 'fichier')).replace('{type}', part(type));
  }

  /** Calls changed whenever the state of one of the types did; the browser connects again by itself. */
  watch(types: string[], changed: (states: Record<string, string>) => void): () => void {
    const url = here(this.session.eventSourceUrl).replace('{types}', types.join(',')).replace('{closeafter}', 'no').replace('{ping}', '60');
    const source = new EventSource(url);
    source.addEventListener('state', (e) => changed(JSON.parse(e.data).changed?.[this.account] ?? {}));
    return () => source.close();
  }

  async #fetch(url: string, init?: RequestInit): Promise<Response> {
    let r: Response;
    try {
      r = await fetch(url, { credentials: 'same-origin', ...init });
    } catch {
      throw new Offline();
    }
    if (r.status === 401) {
      await this.ended();
      location.assign('/login?to=' + encodeURIComponent(location.pathname + location.hash));
      return new Promise(() => {}); // the page goes
    }
    if (r.status >= 500 || r.status === 429) throw new Offline();
    if (!r.ok) throw new Error(`${url}: ${r.status}`);
    return r;
  }
}
