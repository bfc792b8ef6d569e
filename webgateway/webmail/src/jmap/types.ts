import type { Id } from './client';

export type Mailbox = {
  id: Id; name: string; parentId: Id | null; role: string | null; sortOrder: number; totalEmails: number; unreadEmails: number; totalThreads: number; unreadThreads: number;
  isSubscribed: boolean; myRights: Record<string, boolean>;
};

export type Person = { name: string | null; email: string };

export type Part = { partId: string | null; blobId: Id | null; size: number; name: string | null; type: string; charset: string | null; disposition: string | null; cid: string | null };

/** How far a reader can rely on who a mail says it is from; our server's own word. */
export type Proof = { level: 'member' | 'proven' | 'forwarded' | 'unproven' | 'doubtful' | 'fake'; word: string; detail: string; domain: string; warnings: string[] };

export type Email = {
  id: Id; blobId: Id; threadId: Id; mailboxIds: Record<Id, true>; keywords: Record<string, true>; size: number; receivedAt: string; from: Person[] | null; to: Person[] | null; cc: Person[] | null; bcc: Person[] | null;
  replyTo: Person[] | null; subject: string | null; preview: string; hasAttachment: boolean; messageId: string[] | null; references: string[] | null; inReplyTo: string[] | null; sentAt: string | null;
  proof?: Proof | null; snoozedUntil?: string | null; 'header:List-Unsubscribe:asURLs'?: string[] | null; 'header:List-Unsubscribe-Post:asText'?: string | null;
  textBody?: Part[]; htmlBody?: Part[]; attachments?: Part[]; bodyValues?: Record<string, { value: string; isTruncated: boolean; isEncodingProblem: boolean }>;
};

/** What a row of the list shows. */
export const rowProperties = ['id', 'blobId', 'threadId', 'mailboxIds', 'keywords', 'receivedAt', 'from', 'to', 'subject', 'preview', 'hasAttachment', 'size'];

/** What the reading pane shows. */
export const fullProperties = [...rowProperties, 'cc', 'bcc', 'replyTo', 'messageId', 'references', 'inReplyTo', 'sentAt', 'textBody', 'htmlBody', 'attachments', 'bodyValues',
  'header:List-Unsubscribe:asURLs', 'header:List-Unsubscribe-Post:asText'];
