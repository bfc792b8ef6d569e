import type { Catalog } from './fr';

export const en: Catalog = {
  folders: 'Folders', inbox: 'Inbox', drafts: 'Drafts', sent: 'Sent', archive: 'Archive', junk: 'Junk', trash: 'Trash',
  unread: ['{n} unread', '{n} unread'], mails: ['{n} message', '{n} messages'], menu: 'Folders', back: 'Back to the list',
  used: '{used} of {limit} used', write: 'Write', search: 'Search your mail', searchShort: 'Search', clear: 'Clear the search', signOut: 'Sign out', me: 'You', help: 'Keyboard shortcuts',
  archiveIt: 'Archive', deleteIt: 'Move to trash', destroy: 'Delete for ever', spam: 'Junk', notSpam: 'Not junk', unreadIt: 'Mark as unread', readIt: 'Mark as read', star: 'Star', unstar: 'Remove the star',
  move: 'Move', moveTo: 'Move to', reply: 'Reply', replyAll: 'Reply to all', forward: 'Forward', original: 'Show the original', print: 'Print', more: 'More actions',
  undo: 'Undo', archived: ['Message archived.', '{n} messages archived.'], deleted: ['Message moved to trash.', '{n} messages moved to trash.'], moved: ['Message moved to {folder}.', '{n} messages moved to {folder}.'], destroyed: ['Message deleted.', '{n} messages deleted.'],
  selected: ['{n} message selected', '{n} messages selected'], selectAll: 'Select all', selectNone: 'Select none', selectThis: 'Select “{subject}”',
  noSubject: '(no subject)', nobody: '(unknown sender)', to: 'To', cc: 'Cc', bcc: 'Bcc', from: 'From', subject: 'Subject', at: 'on', toMe: 'to you', attachment: 'attachment', attachments: ['{n} attachment', '{n} attachments'], download: 'Download {name}',
  quoted: 'Show quoted text', hideQuoted: 'Hide quoted text', images: 'This message has pictures from elsewhere. They are not loaded: its sender will not know that you read it.', truncated: 'The message is long; only its beginning is shown.',
  emptyInbox: 'Nothing new. When a message comes, it appears here.', emptyFolder: 'This folder is empty. Drag messages into it, or choose “Move” in a message.', emptySearch: 'Nothing was found. Try a shorter word, or the person’s name.', emptyDrafts: 'No drafts. What you begin to write is kept here.', emptyTrash: 'The trash is empty.', nothingOpen: 'Choose a message to read it.',
  loading: 'One moment…', offline: 'No connection. What you see may be old; we keep trying.', failed: 'That did not work: {why}', newMail: 'New message',
  send: 'Send', sending: 'Sending…', sentIt: 'Message sent.', sendingIn: 'The message leaves in a few seconds.', discard: 'Throw the draft away', discarded: 'Draft thrown away.', close: 'Close and keep', saved: 'Saved at {time}', saving: 'Saving…', unsaved: 'Not saved yet: kept on this device', attach: 'Attach a file', remove: 'Remove {name}', body: 'Your message', wrote: 'On {date}, {name} wrote:', forwarded: 'Forwarded message', restored: 'This draft was found on this device.', badAddress: 'This address seems incomplete: {address}', noRecipient: 'To whom should this message go?', forgotten: 'You speak of an attachment, but there is none. Send anyway?', anyway: 'Send anyway', editMore: 'Go on writing',
  keys: { title: 'Keyboard shortcuts', next: 'next message', previous: 'previous message', open: 'open', back: 'back to the list', archive: 'archive', trash: 'move to trash', reply: 'reply', replyAll: 'reply to all', forward: 'forward', compose: 'write', search: 'search', star: 'star', unread: 'unread', select: 'select', help: 'this help', inbox: 'go to the inbox', sent: 'go to sent', drafts: 'go to drafts', undo: 'undo' },
  words: ['attached', 'attachment', 'attachments', 'enclosed', 'ci-joint', 'pièce jointe'],
};
